"""HTTP over the Unix socket: who is at the other end, and how long they may take. Source: unix(7), SO_PEERCRED."""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct
from functools import lru_cache
from typing import Any, cast

import h11
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from graped.api import problems
from graped.api.answers import encoded
from graped.api.types import Problem

HEADER_TIMEOUT_S = 10.0  # from the first byte awaited to the last header
_UCRED = struct.Struct("3i")  # pid, uid, gid


class PeerProtocol(H11Protocol):
    """uvicorn's h11 protocol that knows the peer's uid and pid, and hangs up on who never ends a request head."""

    header_timeout_s = HEADER_TIMEOUT_S
    max_connections = 800

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self.used_at = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the kernel who connects; make room where there is none."""
        super().connection_made(transport)
        self.client = peer_of(transport.get_extra_info("socket"))
        if len(self.connections) > self.max_connections:
            self._make_room()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that began must end in time."""
        self.used_at = self.loop.time()
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Wait for the next request, if the peer wants."""
        super().on_response_complete()
        self._watch_head()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP."""
        self._refuse(400, msg)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on who has not asked again."""
        if self.conn.our_state is h11.IDLE:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.transport.close()

    def _watch_head(self) -> None:
        """Run the timer exactly while a head is awaited: from the start, and from a head's first byte on."""
        begun = bool(self.conn.trailing_data[0]) or self.cycle is None
        if self.conn.their_state is not h11.IDLE or not begun or self.transport.is_closing():
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.header_timeout_s, self._too_slow)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            return
        if self.conn.trailing_data[0]:
            self._refuse(408, "the head of the request did not arrive in time")
        else:
            self.transport.close()

    def _make_room(self) -> None:
        """Close whom nobody misses: the connection that has been idle for longest, else this one."""
        others = [
            one
            for one in self.connections
            if isinstance(one, PeerProtocol) and one.idle and one is not self and not one.transport.is_closing()
        ]
        oldest = min(others, key=lambda one: one.used_at, default=None)
        if oldest is not None:
            oldest.transport.close()
        else:
            self._refuse(503, "too many connections")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer a problem without a request, and hang up."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = encoded(Problem, problems.of_status(status, detail))
            headers = [
                ("content-type", problems.MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close"),
            ]  # fmt: skip
            for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def peer_of(connection: Any) -> tuple[str, int] | None:
    """Ask the kernel for the uid and pid at the other end of a Unix socket, as ``("uid:1000", pid)``."""
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    try:
        pid, uid, _gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    except OSError:
        return None
    return (f"uid:{uid}", pid)


def who(scope: Scope) -> str:
    """Tell who sent a request: ``uid 1000 (pi) pid 4711``."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    if not client or not client[0].startswith("uid:"):
        return "unknown"
    uid = int(client[0][4:])
    return f"uid {uid}{_name_of(uid)} pid {client[1]}"


@lru_cache(maxsize=256)
def _name_of(uid: int) -> str:
    try:
        return f" ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return ""
