"""The application, and how it is served in the daemon's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from graped.api import documents, problems
from graped.api.backend import Backend
from graped.api.gate import Gate
from graped.api.listener import Listener, listen
from graped.api.peer import PeerProtocol
from graped.api.routes import (
    cluster,
    config,
    console,
    doctor,
    enrol,
    events,
    facts,
    guards,
    images,
    jobs,
    looks,
    meters,
    metrics,
    nodes,
    power,
    recovery,
    remote,
    rollouts,
    roots,
    sim,
    ssh,
)
from graped.api.snapshots import Snapshots

STOP_S = 2.0  # what is still being answered then is cut
KEEP_ALIVE_S = 75.0
MAX_CONNECTIONS = 1000
_SPARE_FILES = 200  # descriptors that the rest of the daemon needs


def build_app(backend: Backend) -> FastAPI:
    """Build the application over a backend."""
    app = FastAPI(
        title="graped", version=backend.version, description=documents.DESCRIPTION,
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.backend = backend
    app.state.snapshots = Snapshots(backend.clock, backend.operations.facts, simulated=backend.simulator is not None)
    app.state.stopping = asyncio.Event()
    topics = (
        roots,
        nodes,
        looks,
        facts,
        console,
        ssh,
        cluster,
        power,
        guards,
        jobs,
        recovery,
        rollouts,
        enrol,
        images,
        meters,
        events,
        config,
        doctor,
        sim,
        metrics,
        remote,
    )
    for topic in topics:
        app.router.routes.extend(topic.router.routes)  # flat: one table, so that a 405 can name every method
    app.add_middleware(Gate)
    problems.install(app)
    documents.install(app)
    return app


async def serve(app: FastAPI, socket_path: Path, group: str, stop: asyncio.Event) -> None:
    """Serve on a Unix socket until ``stop``; then end streams and long polls, and let the rest end in 2 s.

    Raises: SocketInUse, OSError.
    """
    listener = listen(socket_path, group)
    try:
        await serve_on(app, listener, stop)
    finally:
        listener.close()


async def serve_on(app: FastAPI, listener: Listener, stop: asyncio.Event) -> None:
    """Serve on a socket that listens already, so that a daemon can refuse to start before it touches anything."""
    settings = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the caller is whom the kernel names, whatever a header or FORWARDED_ALLOW_IPS says
        timeout_keep_alive=int(KEEP_ALIVE_S),
        timeout_graceful_shutdown=int(STOP_S),
        h11_max_incomplete_event_size=64 * 1024,
    )
    await _Server(settings, stop, app.state.stopping).serve(sockets=[listener.socket])


class _Server(uvicorn.Server):
    """uvicorn without signals and without its ten ticks a second."""

    def __init__(self, settings: uvicorn.Config, stop: asyncio.Event, stopping: asyncio.Event) -> None:
        super().__init__(settings)
        self._stop = stop
        self._stopping = stopping

    async def main_loop(self) -> None:
        """Keep the Date header right until told to stop."""
        while not self._stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield


def _protocol() -> type[PeerProtocol]:
    """The protocol with as many connections as our descriptors allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, max(64, soft - _SPARE_FILES))
    return type("Protocol", (PeerProtocol,), {"max_connections": room})
