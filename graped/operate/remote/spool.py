"""A file that a client sends, whole on our disk before anybody gets it; without a name, so that nothing is left."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from graped.errors import NoSpace, TooLarge

LIMIT_BYTES: Final = 4 * 1024**3
SPARE_BYTES: Final = 256 * 1024**2  # the disk of the state directory is not filled by us
_PIECE_BYTES: Final = 1 << 20  # written at once


class Spooled:
    """``path`` can be opened and read until ``close``, by this process alone."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self.size_bytes = size_bytes
        self.path = Path(f"/proc/self/fd/{file.fileno()}")

    def close(self) -> None:
        """Let it go, and its room on the disk."""
        self._file.close()


async def take(
    folder: Path, chunks: AsyncIterator[bytes], *, size_bytes: int | None, limit_bytes: int = LIMIT_BYTES
) -> Spooled:
    """Take a file whole. Raises: TooLarge, NoSpace; what ``chunks`` raises."""
    _check(folder, size_bytes or 0, limit_bytes)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by whoever gets it
    try:
        waiting = bytearray()
        taken = 0
        async for chunk in chunks:
            waiting += chunk
            taken += len(chunk)
            if len(waiting) >= _PIECE_BYTES:
                _check(folder, taken, limit_bytes, written=taken)
                await asyncio.to_thread(_write, file, waiting)
                waiting = bytearray()
        _check(folder, taken, limit_bytes, written=taken)
        await asyncio.to_thread(_write, file, waiting)
    except BaseException:
        file.close()
        raise
    return Spooled(file, taken)


def _write(file: IO[bytes], data: bytearray) -> None:
    file.write(data)
    file.flush()


def _check(folder: Path, size_bytes: int, limit_bytes: int, *, written: int = 0) -> None:
    if size_bytes > limit_bytes:
        text = f"the file is over {limit_bytes // 1024**2} MiB"
        raise TooLarge(text, hint="Put it into an image, or fetch it there.")
    if shutil.disk_usage(folder).free - (size_bytes - written) < SPARE_BYTES:
        raise NoSpace(f"the disk of {folder} has too little room for it", hint="df -h shows how full it is.")
