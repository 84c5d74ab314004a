"""The page that shows which task runs on which node. It reads Docker's socket of a manager, and only reads."""

from __future__ import annotations

import json
import socket
from html import escape
from http.client import HTTPConnection
from typing import Any

from .serving import Handler, serve

SOCKET = "/var/run/docker.sock"


class Docker(HTTPConnection):
    """HTTP over Docker's socket."""

    def __init__(self) -> None:
        super().__init__("docker", timeout=5.0)

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5.0)
        self.sock.connect(SOCKET)


def ask(path: str) -> Any:
    """Get one list of Docker's API.

    Raises: OSError.
    """
    connection = Docker()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"Docker answered {answer.status}")
        return json.loads(answer.read())
    finally:
        connection.close()


def placed() -> dict[str, list[str]]:
    """Tell which services run on each node, by host name."""
    services = {one["ID"]: one["Spec"]["Name"] for one in ask("/services")}
    nodes = {one["ID"]: one["Description"]["Hostname"] for one in ask("/nodes")}
    found: dict[str, list[str]] = {name: [] for name in sorted(nodes.values())}
    for task in ask("/tasks"):
        if task["Status"]["State"] == "running" and task.get("NodeID") in nodes:
            found[nodes[task["NodeID"]]].append(services.get(task["ServiceID"], "?"))
    return {name: sorted(tasks) for name, tasks in found.items()}


class Visualizer(Handler):
    """GET / is for people, GET /tasks for programs."""

    def do_GET(self) -> None:
        """Ask Docker, and show it."""
        try:
            found = placed()
        except OSError as error:
            self.answer(503, f"Docker does not answer: {error}\n", "text/plain")
            return
        if self.path == "/tasks":
            self.answer(200, json.dumps(found), "application/json")
            return
        rows = "".join(f"<tr><td>{escape(name)}<td>{escape(', '.join(tasks)) or '-'}" for name, tasks in found.items())
        self.page("Who runs where", f"<table>{rows}</table>", Refresh="2")


if __name__ == "__main__":
    serve(Visualizer)
