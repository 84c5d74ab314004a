"""A request body of any length, passed on as it comes: never held, never hurried, but not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from graped.api.waiting import stopping
from graped.errors import Stopping

SILENCE_S = 120.0  # a sender that says nothing for so long while we listen has gone


async def chunks(request: Request, silence_s: float | None = None) -> AsyncIterator[bytes]:
    """Give the body piece by piece; the sender is read no faster than this is.

    Raises: HTTPException (408, nothing came for long), ClientDisconnect (it hung up), Stopping.
    """
    while True:
        try:
            async with asyncio.timeout(SILENCE_S if silence_s is None else silence_s):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(408, "the upload stopped coming", {"Connection": "close"}) from None
        if stopping(request).is_set():
            raise Stopping("graped is stopping; nothing of the upload is kept")
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if body := message.get("body", b""):
            yield body
        if not message.get("more_body", False):
            return


def is_empty(request: Request) -> bool:
    """Whether the head of a request says that no body follows."""
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def size_bytes(request: Request) -> int | None:
    """Tell how long the body is, where its head says so."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() and "transfer-encoding" not in request.headers else None
