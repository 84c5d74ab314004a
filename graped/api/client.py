"""Talk to graped: HTTP/1.1 over its Unix socket, with the standard library alone and little of that.

``grapecli`` starts a Python for each command, so this module imports neither ``http.client`` nor ``urllib`` nor
``socket`` (its C half is enough), and ``json`` only when something is decoded.
"""

from __future__ import annotations

import os
import time

from graped import errors
from graped.api.connection import Connection, HungUp, unreachable
from graped.errors import GrapeError, TimedOut, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

DEFAULT_SOCKET = "/run/grape/graped.sock"
SILENCE_S = 45.0  # an event stream that is silent for so long (three heartbeats) is dead
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!*,:@")


class ApiError(GrapeError):
    """graped refused. Also an instance of the class in ``graped.errors`` that has the same ``code``."""

    status: int = 0
    problems: tuple[str, ...] = ()
    request_id: str = ""


def default_socket() -> str:
    """The socket: ``GRAPE_SOCKET``, else the documented place."""
    return os.environ.get("GRAPE_SOCKET") or DEFAULT_SOCKET


class Client:
    """One daemon. A connection is opened when first needed and used again; threads need a client each.

    ``timeout_s`` bounds each answer's beginning and each pause in it; a ``wait_s`` in the query is added.
    Raises: Unreachable, AccessDenied, TimedOut, ApiError.
    """

    def __init__(self, socket_path: str | os.PathLike[str] | None = None, timeout_s: float = 10.0) -> None:
        self.socket_path = os.fspath(socket_path) if socket_path else default_socket()
        self.timeout_s = timeout_s
        self._connection: Connection | None = None

    def get(self, path: str, **query: object) -> Any:
        """Fetch; query values that are None are left out."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, body: object = None, **query: object) -> Any:
        """Send a JSON body (or none)."""
        return self._ask("POST", path, query, body)

    def upload(
        self,
        path: str,
        stream: BinaryIO,
        *,
        size_bytes: int | None = None,
        progress: Callable[[int], None] | None = None,
        **query: object,
    ) -> Any:
        """Send a file as it is read; ``size_bytes`` where it is known. ``progress`` is told what was sent so far.

        The daemon may answer before it has all of it: then the rest is not sent.
        """
        from graped.api.sending import send  # seldom needed

        extra = "Transfer-Encoding: chunked\r\n" if size_bytes is None else f"Content-Length: {size_bytes}\r\n"
        extra += "Content-Type: application/octet-stream\r\nExpect: 100-continue\r\n"
        head = _head("POST", _target(path, query), extra)
        connection = Connection(self.socket_path, self.timeout_s)
        try:
            status, headers = send(connection, head, stream, size_bytes, progress or (lambda _: None))
            return _decoded(status, headers, b"".join(connection.pieces(status, headers)))
        except HungUp as gone:
            raise unreachable(self.socket_path, "it hung up before it answered") from gone
        finally:
            connection.close()

    def delete(self, path: str, **query: object) -> Any:
        """Delete."""
        return self._ask("DELETE", path, query, None)

    def stream(
        self, path: str, last_event_id: str | int | None = None, *, patience_s: float = 60.0, **query: object
    ) -> Iterator[dict[str, Any]]:
        """Follow an event stream: each item is a decoded Event. Goes on behind the last one over reconnects.

        Raises at once when there is nothing to connect to at first, and later after ``patience_s`` without a daemon.
        """
        last = None if last_event_id is None else str(last_event_id)
        lost_at: float | None = None
        first = True
        while True:
            try:
                for event in _follow(self.socket_path, _target(path, query), last, self.timeout_s):
                    first, lost_at = False, None
                    if event is not None:
                        last = str(event["id"])
                        yield event
            except (Unreachable, TimedOut) as error:
                now = time.monotonic()
                lost_at = now if lost_at is None else lost_at
                if first or now - lost_at >= patience_s:
                    raise error
            query.pop("after", None)  # Last-Event-ID knows better now
            time.sleep(0.5)

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, path: str, query: dict[str, object], body: object) -> Any:
        head, payload = _request(method, _target(path, query), body)
        wait_s = query.get("wait_s")
        timeout_s = self.timeout_s + (float(wait_s) if isinstance(wait_s, (int, float)) else 0.0)
        kept, self._connection = self._connection, None
        if kept is not None and method == "POST":
            kept.close()  # a daemon that hung up meanwhile would leave us not knowing whether it took the request
            kept = None
        if kept is not None:
            try:
                return self._exchange(kept, head + payload, timeout_s)
            except HungUp:
                pass  # it had only grown tired of waiting for us
        try:
            return self._exchange(Connection(self.socket_path, timeout_s), head + payload, timeout_s)
        except HungUp as gone:
            raise unreachable(self.socket_path, "it hung up before it answered") from gone

    def _exchange(self, connection: Connection, request: bytes, timeout_s: float) -> Any:
        """Ask over a connection, and keep it for the next time if it can be."""
        try:
            status, headers, body = connection.exchange(request, timeout_s)
        except BaseException:
            connection.close()
            raise
        if headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._connection = connection
        return _decoded(status, headers, body)


def _follow(path: str, target: str, last: str | None, timeout_s: float) -> Iterator[dict[str, Any] | None]:
    """Read one connection's worth of an event stream; None for a sign of life."""
    extra = f"Last-Event-ID: {last}\r\n" if last is not None else ""
    head, _ = _request("GET", target, None, f"Accept: text/event-stream\r\n{extra}")
    connection = Connection(path, timeout_s)
    try:
        status, headers = connection.begin(head, timeout_s)
        if status != 200:
            _decoded(status, headers, b"".join(connection.pieces(status, headers)))
        yield None
        connection.wait_at_most(SILENCE_S)
        rest = b""
        for piece in connection.pieces(status, headers):
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                yield _event(block.decode())
    except HungUp as error:
        raise unreachable(path, "it ended the stream") from error
    finally:
        connection.close()


def _event(block: str) -> dict[str, Any] | None:
    """Read one block of an event stream; None for a comment."""
    import json

    lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
    event: dict[str, Any] | None = json.loads("\n".join(lines)) if lines else None
    return event


def _request(method: str, target: str, body: object, extra: str = "") -> tuple[bytes, bytes]:
    payload = b""
    if body is not None:
        import json

        payload = json.dumps(body).encode()
        extra += "Content-Type: application/json\r\n"
    if method == "POST":
        extra += f"Content-Length: {len(payload)}\r\n"
    return _head(method, target, extra), payload


def _head(method: str, target: str, extra: str) -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: graped\r\n{extra}\r\n".encode("latin-1")


def _target(path: str, query: dict[str, object]) -> str:
    """Write path and query; both are quoted here."""
    pairs = [f"{name}={_quoted(_word(value), b'')}" for name, value in query.items() if value is not None]
    return _quoted(path, b"/%?=&") + (f"?{'&'.join(pairs)}" if pairs else "")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str, also: bytes) -> str:
    return "".join(chr(one) if one in _SAFE or one in also else f"%{one:02X}" for one in text.encode())


def _decoded(status: int, headers: dict[str, str], body: bytes) -> Any:
    """Decode an answer. Raises: ApiError."""
    kind = headers.get("content-type", "")
    value: Any = None
    if body and "json" in kind:
        import json

        value = json.loads(body)
    elif body:
        value = body.decode(errors="replace")
    if status >= 400:
        raise api_error(status, value if isinstance(value, dict) else {})
    return value


def api_error(status: int, told: dict[str, Any]) -> ApiError:
    """Rebuild the error that a problem tells of."""
    code = str(told.get("code") or "internal")
    kind = _kinds().get(code)
    bases = (ApiError, kind) if kind is not None else (ApiError,)
    detail = str(told.get("detail") or f"graped answered {status}")
    names = {"code": code, "title": str(told.get("title") or ApiError.title)}
    error: ApiError = type(kind.__name__ if kind else "ApiError", bases, names)(
        detail, hint=str(told.get("hint") or "")
    )
    error.status = status
    error.problems = tuple(map(str, told.get("problems") or ()))
    error.request_id = str(told.get("request_id") or "")
    return error


def _kinds() -> dict[str, type[GrapeError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GrapeError)]
    return {kind.code: kind for kind in found if kind is not GrapeError}
