"""Run schemathesis against a daemon's Unix socket: ``python -m tests.api.contract SOCKET [schemathesis options]``.

schemathesis speaks TCP only, so a small forwarder on the loopback stands in between for the time of the run.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def run(path: Path, *options: str) -> int:
    """Run all checks; return schemathesis' exit code."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_unix_connection(path)
        await asyncio.gather(_pump(reader, there), _pump(back, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    program = str(Path(sys.executable).with_name("schemathesis"))
    url = f"http://127.0.0.1:{port}/openapi.json"
    asked = options or ("--max-examples", "10", "--continue-on-failure")
    child = await asyncio.create_subprocess_exec(program, "run", url, "--checks", "all", *asked)
    try:
        return await child.wait()
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(Path(sys.argv[1]), *sys.argv[2:])))
