"""The application, served on a real Unix socket in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graped.api.client import Client
from graped.api.server import build_app, serve
from tests.api.rack import Rack


class Served:
    """A rack, the socket it is served on, and a way to reach into its loop."""

    def __init__(self, path: Path, make: Callable[[], Rack]) -> None:
        self.path = path
        self._make = make
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.failure: BaseException | None = None

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.rack = self._make()
        self.app = build_app(self.rack)
        ticking = asyncio.create_task(self.rack.engine.run(self._stop))
        serving = asyncio.create_task(serve(self.app, self.path, "grape-no-such-group", self._stop))
        while not serving.done() and not await self._answers():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._ready.set()
        try:
            await serving
        except BaseException as error:
            self.failure = error
        self._stop.set()
        await ticking

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self.path)
        except OSError:
            return False
        writer.close()
        return True

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)

    def stop(self, within_s: float = 20.0) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(within_s)
        assert not self._thread.is_alive(), "the server does not stop"

    def do(self, work: Callable[[], Any]) -> Any:
        """Run something in the server's loop."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def client(self, timeout_s: float = 30.0) -> Client:
        return Client(self.path, timeout_s)


@contextlib.contextmanager
def serving(path: Path, make: Callable[[], Rack] = Rack) -> Iterator[Served]:
    """Serve a rack for the time of a block."""
    served = Served(path, make)
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "graped.sock") as one:
        yield one


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as one:
        yield one
