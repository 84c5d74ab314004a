"""What is kept of one node's lines: the newest, within bounds, with a mark where a boot begins. No clock of its own."""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from graped.api.console_types import SourceWord
from graped.operate.console.lines import Said

LINES: Final = 3000  # a boot of a Raspberry Pi OS is 1000 to 1500
BYTES: Final = 300_000  # 96 nodes: 30 MB
RATE: Final = 300.0  # lines a second
BURST: Final = 4000.0  # a node sends all that its kernel has said at once
RECORDS: Final = 4000  # of the kernel, of which it is known that they came


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A line that is kept; ``at`` is unix time."""

    id: int
    at: float
    source: SourceWord
    level: int | None
    text: str


class Ring:
    """One node's. ``number`` gives the next line's id; times are handed in: ``now`` monotonic, ``at`` unix seconds."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._lines: deque[Kept] = deque()
        self._bytes = 0
        self._gone = 0  # the id of the newest line that was let go
        self._boot: str | None = None  # its id, where it was told
        self._on_since: float | None = None
        self._records: OrderedDict[int, int] = OrderedDict()  # number -> checksum, of this boot
        self._tokens, self._filled = BURST, 0.0
        self._left_out = 0

    def take(self, said: Said, *, now: float, at: float, on_since: float | None) -> bool:
        """Keep a line; return whether anything was. ``on_since``: when its power came on, as far as that is known."""
        if on_since is not None and on_since != self._on_since:
            if self._lines or self._on_since is not None:
                self._begin(at, "its power came on")
            self._on_since = on_since
        if said.boot is not None:
            return self._told_boot(said.boot, at)
        if said.number is not None and self._is_known(said.number, said.stamp + said.text, at):
            return False
        if not self._may_pass(now):
            self._left_out += 1
            return False
        if self._left_out:
            self._add(at, "grape", 4, f"{self._left_out} lines left out: they came faster than {RATE:g} a second")
            self._left_out = 0
        self._add(at, said.source, said.level, said.text)
        return True

    def after(self, after: int | None, limit: int) -> tuple[list[Kept], bool]:
        """Give the first lines behind an id (None: the last ones), and whether some behind it are not kept any more."""
        if after is None:
            return list(self._lines)[-limit:] if limit else [], False
        found = [one for one in self._lines if one.id > after]
        return found[:limit], 0 < after < self._gone

    @property
    def last(self) -> int:
        """The id of the newest line; 0: there is none."""
        return self._lines[-1].id if self._lines else self._gone

    def all(self) -> list[Kept]:
        """Give all lines."""
        return list(self._lines)

    def fill(self, lines: list[Kept]) -> None:
        """Take over lines of an earlier run."""
        for one in lines:
            self._append(one)

    def _told_boot(self, boot: str, at: float) -> bool:
        """Take a boot's id: another one than before is another boot, unless its beginning was seen already."""
        known, self._boot = self._boot, boot
        if known is None or known == boot:
            return False
        self._begin(at, "it started again")
        self._boot = boot
        return True

    def _is_known(self, number: int, text: str, at: float) -> bool:
        """Whether a record of the kernel came before, by another way; another text under its number is another boot."""
        sum_ = zlib.crc32(text.encode())
        before = self._records.get(number)
        if before == sum_:
            return True
        if before is not None:
            self._begin(at, "its kernel counts anew")
        self._records[number] = sum_
        while len(self._records) > RECORDS:
            self._records.popitem(last=False)
        return False

    def _begin(self, at: float, why: str) -> None:
        self._boot = None
        self._records.clear()
        self._add(at, "grape", None, f"--- {why} ---")

    def _may_pass(self, now: float) -> bool:
        self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE) if self._filled else BURST
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _add(self, at: float, source: SourceWord, level: int | None, text: str) -> None:
        self._append(Kept(id=self._number(), at=at, source=source, level=level, text=text))

    def _append(self, line: Kept) -> None:
        self._lines.append(line)
        self._bytes += _cost(line)
        while len(self._lines) > LINES or self._bytes > BYTES:
            gone = self._lines.popleft()
            self._bytes -= _cost(gone)
            self._gone = gone.id


def _cost(line: Kept) -> int:
    return len(line.text) + 40
