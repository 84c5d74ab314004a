"""Follow dnsmasq's log, over its rotation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 20  # read at once: the rest comes with the next look


class Tail:
    """Reads what was added to a file since the last look; what stood there before the first look is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: FileIO | None = None
        self._part = b""  # a line whose end is not written yet
        self._gone = False  # renamed away, seen at the last look
        self._open(at_end=True)

    def lines(self) -> list[str]:
        """Return the whole lines added since the last look, without their ends. Never waits; cheap where none are."""
        if self._stream is None:
            self._open(at_end=False)
        gone, self._gone = self._gone, self._moved()
        found = list(self._added())
        if gone and self._gone:  # its writer has had a whole look's time to turn to the successor
            self._open(at_end=False)
            found += self._added()
        return found

    def close(self) -> None:
        """Let the file go."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _added(self) -> Iterator[str]:
        if self._stream is None:
            return
        if os.fstat(self._stream.fileno()).st_size < self._stream.tell():  # emptied: from its new beginning
            self._stream.seek(0)
            self._part = b""
        while chunk := self._stream.read(MOST_BYTES):
            *whole, self._part = (self._part + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)

    def _open(self, *, at_end: bool) -> None:
        self.close()
        self._part, self._gone = b"", False
        try:
            self._stream = self._path.open("rb", buffering=0)
        except OSError:  # not there yet
            return
        if at_end:
            self._stream.seek(0, os.SEEK_END)

    def _moved(self) -> bool:
        """Whether another file has this name now. One that is not there yet will come: until then nothing moved."""
        if self._stream is None:
            return False
        try:
            now = self._path.stat()
        except OSError:
            return False
        held = os.fstat(self._stream.fileno())
        return (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino)
