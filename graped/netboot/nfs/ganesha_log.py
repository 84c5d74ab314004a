"""NFS-Ganesha tells only its log whether it took a change."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LIMIT_BYTES: Final = 4_000_000
FAULTS_TOLD: Final = 4
# These two threads read files; others complain of what comes up at a shutdown.
_LINE: Final = re.compile(r"\[(?:main|sigmgr)\] \S+ :(?P<part>[^:]+) :(?P<level>[A-Z]+) :(?P<text>.*)")
_SERIOUS: Final = frozenset({"FATAL", "MAJ", "CRIT"})
_PARTS: Final = frozenset({"CONFIG", "FSAL", "EXPORT", "NFS STARTUP"})  # others complain of D-Bus and kerberos


class LogReader:
    """Read what was added to a log since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = ""

    def to_end(self) -> None:
        """Pass over what is there."""
        self._offset, self._rest = self._size(), ""

    def new(self) -> list[str]:
        """Return the whole lines that were added."""
        if self._size() < self._offset:
            self._offset = 0  # moved aside meanwhile
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                added = stream.read(LIMIT_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(added)
        *lines, self._rest = (self._rest + added.decode(errors="replace")).split("\n")
        return lines

    def limit(self) -> None:
        """Move a long log aside: the server opens the file anew for each line."""
        if self._size() > LIMIT_BYTES:
            os.replace(self._path, self._path.with_name(self._path.name + ".1"))
            self._offset, self._rest = 0, ""

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


def has_reread(lines: Iterable[str]) -> bool:
    """Whether a re-reading of the exports that began in these lines has also ended in them."""
    begun = False
    for line in lines:
        begun = begun or "SIGHUP_HANDLER: Received SIGHUP" in line
        if begun and "Reread exports complete" in line:
            return True
    return False


def faults(lines: Iterable[str]) -> list[str]:
    """Pick what it says of mistakes in its exports, the first few, without prefix and repetition."""
    found = [match for line in lines if (match := _LINE.search(line))]
    texts = [match["text"].strip() for match in found if match["level"] in _SERIOUS and match["part"] in _PARTS]
    return list(dict.fromkeys(texts))[:FAULTS_TOLD]
