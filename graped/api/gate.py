"""What every request passes first: its id, the limit of its body, and the net under bugs. Plain ASGI.

An upload's body alone is left to its route (``api.uploading``), which neither holds nor hurries it.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graped.api import problems
from graped.api.request_id import take
from graped.errors import TooLarge

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0
RAW = frozenset(
    {("POST", "/v1/images"), ("POST", "/v1/copy")}
)  # bodies of any length, which their routes read piece by piece


class Gate:
    """Give a request its id, read its small body, and turn what nobody caught into ``internal``."""

    def __init__(self, app: ASGIApp, body_timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        answer = _Answer(send, take(headers.get(b"x-request-id")).encode())
        try:
            if (scope["method"], scope["path"]) in RAW:
                receive = answer.unless_read(receive)
            else:
                receive = await self._with_body(headers, receive)
        except TooLarge as error:
            await problems.answer(problems.of_error(error))(scope, receive, answer.send)
            return
        except TimeoutError:
            await problems.answer(problems.of_status(408), {"Connection": "close"})(scope, receive, answer.send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            bug = problems.of_bug(error)
            if answer.started:
                raise  # the connection is closed: an answer cut short must not look whole
            await problems.answer(bug)(scope, receive, answer.send)

    async def _with_body(self, headers: MutableMapping[bytes, bytes], receive: Receive) -> Receive:
        """Read the body as far as the limit, so that nothing behind can be kept waiting or filled up by it."""
        length = headers.get(b"content-length")
        if length is not None and (len(length) > 9 or int(length) > MAX_BODY_BYTES):
            raise _too_large()
        if length in (None, b"0") and b"transfer-encoding" not in headers:
            return receive
        body = b""
        async with asyncio.timeout(self._body_timeout_s):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _replay(message, receive)
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
        return _replay({"type": "http.request", "body": body, "more_body": False}, receive)


class _Answer:
    """Send an answer with its request id; remember whether it began, and whether its request was read."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send = send
        self._id = request_id
        self.started = False
        self._unread = False

    def unless_read(self, receive: Receive) -> Receive:
        """Hang up after the answer, unless the body was read to its end by then: nobody wants the rest of it."""
        self._unread = True

        async def watched() -> Message:
            message = await receive()
            self._unread = message.get("more_body", False)
            return message

        return watched

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.started = True
            closing = ((b"connection", b"close"),) if self._unread else ()
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._id), *closing]
        await self._send(message)


def _replay(message: Message, receive: Receive) -> Receive:
    """Give a message that was read already, then what comes."""
    waiting = [message]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _too_large() -> TooLarge:
    return TooLarge(f"the body is over {MAX_BODY_BYTES} bytes", hint="name nodes as a set, e.g. worker-[0-15]-[0-5]")
