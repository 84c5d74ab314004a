"""What blocks, done in a daemon thread: a node that never answers must not keep the program from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(call: Callable[[], T]) -> T:
    """Call what blocks, and wait for what it returns or raises; a cancel leaves it alone."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if end.done():
            return
        if error is None:
            end.set_result(result)  # type: ignore[arg-type]
        else:
            end.set_exception(error)

    def run() -> None:
        result, failed = None, None
        try:
            result = call()
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await end
