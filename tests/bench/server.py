"""A process that serves graped's API over a cluster in memory, of any size; it takes commands on stdin.

The board allows 96 slots. What is measured here are the core, the engine's snapshot, the views and the server, which
know no such limit; only the configuration's rules do, and they are gone around.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from graped.api.server import build_app, serve
from tests.api.rack import Rack, config_of
from tests.bench.daemons import wait_until

BURST = 100  # events appended at once: a stack that goes, a job over many slots
_EVENT = {"message": "worker-3-4 is on", "stack": 3, "node": "worker-3-4", "job": 17, "fields": {"by": "bench"}}


class Serving:
    """The process as the bench sees it."""

    def __init__(self, process: subprocess.Popen[str], socket: Path) -> None:
        self._process = process
        self.socket = socket

    def append(self, events: int) -> None:
        """Have so many events appended, in bursts, each after the last was sent."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{events}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def serving(room: Path, stacks: int) -> Iterator[Serving]:
    """Run the process for the time of a block."""
    socket = room / f"memory-{stacks}.sock"
    argv = (sys.executable, "-m", "tests.bench.server", str(socket), str(stacks))
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: process.poll() is not None or socket.exists(), "the server in memory")
        yield Serving(process, socket)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


async def _run(socket: Path, stacks: int) -> None:
    logging.disable()  # it would say for every stack that there is no thermometer
    rack = Rack(config_of(stacks, devices=6))
    stop = asyncio.Event()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    server = asyncio.create_task(serve(build_app(rack), socket, "", stop))
    while line := await commands.readline():
        for number in range(int(line)):
            rack.journal.append("power.on", **_EVENT)
            if number % BURST == BURST - 1:
                await asyncio.sleep(0)
    stop.set()
    await server


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
