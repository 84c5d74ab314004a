"""When a reading of a power port counts.

The first two reads agree with each other and with the last verified value: it counts. Otherwise six in a row must
agree, counted over all reads. Two in a row later on never count, even if they equal the verified value: a pair of
equal flips is rare once, but not rare over many pairs.

Around a write (``verified`` is None) a session in which another value stood three times in a row counts not at all:
the port changed while it was read. Whether a byte arrived changed or was undone by an outage a moment later looks the
same in the end, and only the first is written again.

Why six: with one read in five carrying one flipped bit, the same wrong value comes six times in a row with
0.025 ** 6 = 2.4e-10 at each place. Why 96 reads: fewer than one session in a thousand then ends without an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from graped.errors import PortUnsure

QUICK_RUN = 2  # equal reads from the start that count where they equal the verified value
FULL_RUN = 6  # equal reads in a row that count anywhere
STEADY_RUN = 3  # equal reads in a row that noise makes once in some thousand sessions
MAX_READS = 96


class Verdict(StrEnum):
    """What the reads so far amount to."""

    MORE = "more"  # read again
    COUNTS = "counts"  # the last value is the port's
    UNSURE = "unsure"  # the reads never settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The reads of one session. ``verified`` is the last verified value, None where six in a row are wanted."""

    verified: int | None = None
    value: int | None = None  # the last read
    run: int = 0  # how many reads in a row gave ``value``
    reads: int = 0
    stood: int | None = None  # the first value that stood for a while, once another one came

    def feed(self, raw: int) -> Self:
        """Take one more read."""
        same = raw == self.value
        stood = self.value if self.stood is None and not same and self.run >= STEADY_RUN else self.stood
        return replace(self, value=raw, run=self.run + 1 if same else 1, reads=self.reads + 1, stood=stood)

    @property
    def moved(self) -> bool:
        """Whether six reads agree now, and on something else than what stood before."""
        return self.run >= FULL_RUN and self.stood not in (None, self.value)

    @property
    def verdict(self) -> Verdict:
        """Judge the reads so far."""
        quick = self.run == self.reads == QUICK_RUN and self.value == self.verified
        if self.moved and self.verified is None:
            return Verdict.UNSURE
        if quick or self.run >= FULL_RUN:
            return Verdict.COUNTS
        return Verdict.UNSURE if self.reads >= MAX_READS else Verdict.MORE


def settle(read: Callable[[], int], verified: int | None) -> int:
    """Read until a value counts, and return it.

    Raises: PortUnsure where the reads never settle, and whatever ``read`` raises.
    """
    session = Agreement(verified=verified)
    while session.verdict is Verdict.MORE:
        session = session.feed(read())
    if session.moved and verified is None:
        raise PortUnsure("the port changed while it was read")
    if session.verdict is Verdict.UNSURE or session.value is None:
        raise PortUnsure(
            f"{session.reads} reads of the port never gave {FULL_RUN} equal ones in a row",
            hint="Look for noise on the bus: long cables, missing pull-ups, a loose ground.",
        )
    return session.value
