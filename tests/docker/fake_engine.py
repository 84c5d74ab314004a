"""A fake engine on a Unix socket, over HTTP, so that the real SDK talks to it."""

from __future__ import annotations

import json
import queue
import re
import socket
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.docker.fake_images import Refused
from tests.docker.fake_swarm import FakeEngine, Json

API = "1.41"
ROUTES = (
    ("GET", "info", "info"),
    ("GET", "swarm", "swarm"),
    ("POST", "swarm/init", "init"),
    ("POST", "swarm/update", "update_swarm"),
    ("GET", "nodes", "nodes"),
    ("GET", "nodes/([^/]+)", "node"),
    ("POST", "nodes/([^/]+)/update", "update_node"),
    ("DELETE", "nodes/([^/]+)", "remove_node"),
    ("GET", "services", "services"),
    ("GET", "tasks", "tasks"),
)
IMAGE = re.compile(r"images/(.+?)(?:/(json|tag|push))?")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    engine: FakeEngine

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.append(request)
        super().process_request(request, client_address)

    def cut(self) -> None:
        """Close all connections, as the end of a process does."""
        for each in self.open:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already


class Serving:
    """An engine that is served; may be stopped and started again, as dockerd is."""

    def __init__(self, engine: FakeEngine, path: Path) -> None:
        self.engine = engine
        self.path = path
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = _Server(str(self.path), _Handler)
        self._server.engine = self.engine
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def refuse_new(self) -> None:
        """Answer on connections that are open, and take no new ones: Docker is being stopped."""
        self.path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End everything."""
        self.path.unlink(missing_ok=True)
        self.engine.drop_listeners()
        if self._server is not None:
            self._server.shutdown()
            self._server.cut()
            self._server.server_close()
        self._server = None


@contextmanager
def serving(engine: FakeEngine, folder: Path) -> Iterator[Serving]:
    """Serve an engine on a socket in ``folder``."""
    served = Serving(engine, folder / "docker.sock")
    served.start()
    try:
        yield served
    finally:
        served.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        path = re.sub(r"^/(v[0-9.]+/)?", "", unquote(parts.path))
        query = dict(parse_qsl(parts.query))
        body = self._body()
        try:
            if path == "version":
                self._json({"ApiVersion": API, "Version": "20.10.24"})
            elif path == "events":
                self._events()
            elif path.startswith("images/"):
                self._image(method, path, query, body)
            else:
                self._swarm(method, path, query, json.loads(body or b"{}"))
        except Refused as refused:
            self._json({"message": refused.message}, refused.status)

    def _swarm(self, method: str, path: str, query: Json, body: Json) -> None:
        engine = self.server.engine
        for verb, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                with engine.lock:
                    self._json(getattr(engine, name)(query, body, *match.groups()))
                return
        raise Refused(404, f"page not found: {method} {path}")

    def _image(self, method: str, path: str, query: Json, body: bytes) -> None:
        images = self.server.engine.images
        if path == "images/load":
            self._stream(list(images.load(body)))
            return
        match = IMAGE.fullmatch(path)
        assert match is not None
        name, verb = match.groups()
        if verb == "push":
            self._stream(images.push(name, query["tag"], self.headers["X-Registry-Auth"]))
        elif verb == "tag":
            images.tag(name, query["repo"], query["tag"])
            self._json(None, 201)
        elif verb == "json":
            self._json(images.inspect(name))
        elif method == "DELETE":
            images.remove(name)
            self._json([{"Untagged": name}])
        else:
            raise Refused(404, f"page not found: {method} {path}")

    def _events(self) -> None:
        """Stream what is told from now on: who hears that the stream stands misses nothing after it."""
        engine = self.server.engine
        heard: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        with engine.lock:
            engine.listeners.append(heard)
        try:
            self._stream(iter(heard.get, None))
        finally:
            engine.listeners.remove(heard)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline().strip(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode() if value is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, lines: Iterable[Json]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            for line in lines:
                data = json.dumps(line).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
