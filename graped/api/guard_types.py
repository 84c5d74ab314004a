"""The contract about lifecycle guards. Standard library alone; ``graped.api.types`` hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardHold:
    """A node that a guard holds: it loses power for ``job`` once the guard releases it, at ``deadline`` at the latest.

    ``note`` is what the guard last told ("draining 4 tasks").
    """

    node: str
    job: int
    verb: Literal["off", "cycle"]
    since: str
    deadline: str  # whatever the guard does; its lease may end the hold before
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A client that is asked before its nodes lose power, until its lease is over.

    It hears what it is asked on the event stream: ``guard.asked`` (``node``, ``job``; fields ``guards``, ``verb``,
    ``deadline``), and ``guard.called_off``, ``guard.overdue``, ``guard.skipped`` where nothing waits for it.
    """

    name: str
    nodes: tuple[str, ...]
    folded: str
    lease_s: float
    until: str  # when the lease is over
    holding: tuple[GuardHold, ...]
