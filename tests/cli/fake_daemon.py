"""A daemon on a real Unix socket that answers grapecli's routes from a :class:`Rack`."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.cli.fake_rack import Rack, Refuse, wall


class Answer(BaseHTTPRequestHandler):
    """One connection. Methods named after the first part of a path below /v1 answer it."""

    protocol_version = "HTTP/1.1"
    server: FakeDaemon

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        rack = self.server.rack
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.seen.append((self.command, unquote(url.path), body))
        try:
            if url.path == "/v1/events/stream":
                self._stream(int(self.headers.get("Last-Event-ID") or 0), query.get("kind"))
                return
            for (method, pattern), route in ROUTES.items():
                match = re.fullmatch(pattern, unquote(url.path))
                if match and method == self.command:
                    self._send(202 if pattern == "/v1/power" else 200, route(rack, query, body, *match.groups()))
                    return
            raise Refuse(404, "not_found", f"There is no {url.path}.")
        except Refuse as refusal:
            self._send(int(str(refusal.body["status"])), refusal.body, "application/problem+json")
        except BrokenPipeError:
            pass

    def _send(self, status: int, value: Any, kind: str = "application/json") -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, last: int, kind: str | None) -> None:
        rack = self.server.rack
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.stopping:
            with rack.changed:
                rack.wait_for_events(last, timeout_s=0.1)
                fresh = rack.events[last:]
            for event in fresh:
                last = event["id"]
                if kind not in (None, event["kind"].split(".")[0]):
                    continue
                told = f"id: {last}\nevent: {event['kind']}\ndata: {json.dumps(event)}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(told), told))

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def address_string(self) -> str:
        return "unix"


def _job(rack: Rack, query: dict[str, str], _body: Any, number: str) -> Any:
    if int(number) not in rack.jobs:
        raise Refuse(404, "not_found", f"There is no job {number}.")
    job = rack.jobs[int(number)]
    known, ends = int(query.get("differs_from") or job["version"]), time.monotonic() + float(query.get("wait_s", 0))
    with rack.changed:
        if "differs_from" in query:
            rack.seen[job["id"]] = known
            rack.changed.notify_all()
        while job["ended"] is None and job["version"] == known and time.monotonic() < ends:
            rack.changed.wait(max(0.0, ends - time.monotonic()))
    return job


def _revision(rack: Rack, query: dict[str, str], _body: Any) -> Any:
    with rack.changed:
        differs = int(query["differs_from"])
        rack.changed.wait_for(lambda: rack.revision != differs, timeout=float(query.get("wait_s", 0)))
    return {"revision": rack.revision}


def _nodes(rack: Rack, query: dict[str, str], _body: Any) -> Any:
    return [rack.nodes[name] for name in (rack.expand(query["nodes"]) if "nodes" in query else rack.nodes)]


def _node(rack: Rack, _query: dict[str, str], _body: Any, name: str) -> Any:
    return rack.nodes[rack.expand(name)[0]]


def _root(_rack: Rack, _query: dict[str, str], _body: Any, name: str) -> Any:
    raise Refuse(404, "not_found", f"{name} has no root.")


def _stack(rack: Rack, _query: dict[str, str], _body: Any, number: str) -> Any:
    if int(number) not in rack.stack_ids:
        raise Refuse(404, "not_found", f"There is no stack {number}.")
    return rack.stack(int(number))


def _history(rack: Rack, query: dict[str, str], _body: Any) -> Any:
    points = [
        {"time": wall(-60 * at), "mean": 12000 + 10 * at, "least": 11900, "most": 12500} for at in range(5, 0, -1)
    ]
    return [{"stack": stack, "kind": "voltage", "unit": "mV", "step_s": 60.0, "points": points}
            for stack in rack.stack_ids if query.get("stack") in (None, str(stack))]  # fmt: skip


def _events(rack: Rack, query: dict[str, str], _body: Any) -> Any:
    before, kind = int(query.get("before", 10**9)), query.get("kind")
    found = [e for e in rack.events if e["id"] < before and (kind is None or e["kind"].split(".")[0] == kind)]
    return found[-int(query.get("limit", 100)) :]


def _add_fault(rack: Rack, _query: dict[str, str], body: Any) -> Any:
    rack.faults.append({"probability": 1.0, **body, "id": len(rack.faults) + 1})
    return rack.faults[-1]


def _clear_faults(rack: Rack, _query: dict[str, str], _body: Any, number: str = "") -> Any:
    rack.faults = [fault for fault in rack.faults if number and fault["id"] != int(number)]
    return rack.faults


REPORT = {"ok": True, "problems": [], "changed": ["power.stagger_s"], "needs_restart": ["api.socket"]}
CONFIG = {"files": ["config.toml"], "toml": '[cluster]\nname = "grape"\n',
          "values": [{"key": "cluster.name", "value": "grape", "source": "config.toml"}]}  # fmt: skip
DISPLAY = {"lines": ["grape     3/10 on", "41.5 C  38.6 W"], "red": False, "green": True}

ROUTES: dict[tuple[str, str], Any] = {
    ("GET", "/v1/version"): lambda rack, q, b: {"version": "0.1.0", "api": "v1", "simulated": True},
    ("GET", "/v1/status"): lambda rack, q, b: rack.status(),
    ("GET", "/v1/revision"): _revision,
    ("GET", "/v1/stacks/(\\d+)"): _stack,
    ("GET", "/v1/nodes"): _nodes,
    ("GET", "/v1/nodes/([^/]+)/root"): _root,
    ("GET", "/v1/nodes/(.+)"): _node,
    ("GET", "/v1/power"): lambda rack, q, b: rack.groups(q["nodes"]),
    ("POST", "/v1/power/plan"): lambda rack, q, b: rack.plan(b),
    ("POST", "/v1/power"): lambda rack, q, b: rack.power(b),
    ("GET", "/v1/guards"): lambda rack, q, b: rack.guards(),
    ("GET", "/v1/jobs"): lambda rack, q, b: rack.newest_jobs(int(q["limit"]), open_only=q.get("open") == "true"),
    ("GET", "/v1/jobs/(\\d+)"): _job,
    ("POST", "/v1/jobs/(\\d+)/cancel"): lambda rack, q, b, number: rack.cancel(rack.jobs[int(number)]),
    ("GET", "/v1/meters"): lambda rack, q, b: [rack.meters(stack) for stack in rack.stack_ids],
    ("GET", "/v1/meters/history"): _history,
    ("GET", "/v1/events"): _events,
    ("GET", "/v1/config"): lambda rack, q, b: CONFIG,
    ("POST", "/v1/config/check"): lambda rack, q, b: REPORT,
    ("POST", "/v1/config/reload"): lambda rack, q, b: REPORT,
    ("GET", "/v1/sim/faults"): lambda rack, q, b: rack.faults,
    ("POST", "/v1/sim/faults"): _add_fault,
    ("DELETE", "/v1/sim/faults"): _clear_faults,
    ("DELETE", "/v1/sim/faults/(\\d+)"): _clear_faults,
    ("GET", "/v1/sim/display"): lambda rack, q, b: {
        "lines": ["grape     3/10 on", "41.5 C  38.6 W"],
        "red": False,
        "green": True,
    },
    ("POST", "/v1/sim/knob"): lambda rack, q, b: rack.knob.append(b),
}


class FakeDaemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers in threads until it is closed; ``seen`` keeps (method, path, body) of each request."""

    daemon_threads = True

    def __init__(self, path: Path, rack: Rack) -> None:
        self.rack, self.stopping = rack, False
        self.seen: list[tuple[str, str, Any]] = []
        self.path = path
        self._open: list[socket.socket] = []
        super().__init__(str(path), Answer)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, _address = super().get_request()
        self._open.append(connection)
        return connection, ("unix", 0)

    def drop(self) -> None:
        """Break every connection, as a daemon that is killed does."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.stopping = True
        self.shutdown()
        self.server_close()
