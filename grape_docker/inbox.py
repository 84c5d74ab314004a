"""What wakes the loop: everything that happens is one of these, put into one queue by whatever thread saw it."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from grape_docker.model import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class RackTold:
    """graped told of something. ``kind`` is an event's, or ``connected`` (what was before is not told), ``lost``."""

    kind: str
    node: str | None = None
    message: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmTold:
    """Docker on the master told of something. ``kind`` as in :class:`grape_docker.swarm.events.SwarmEvent`."""

    kind: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTold:
    """What is being done for a node now, in a line."""

    name: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """A node's work has ended. ``own_id`` is the entry it said is its own, where it was asked."""

    name: str
    trouble: Trouble | None = None
    lasting: bool = False  # only a person, or a change of circumstances, can mend it
    own_id: str | None = None
    registry: str | None = None  # the stamp of what it was told of the registry, where it joined
    left: bool = False  # it was told to leave the swarm, and did
    lines: tuple[str, ...] = ()  # what was done, for the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End now."""


Message: TypeAlias = RackTold | SwarmTold | WorkTold | WorkDone | Stop


class Inbox:
    """Messages from many threads, and from signal handlers, to one."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()  # reentrant: a signal handler may put

    def put(self, message: Message) -> None:
        """Put one in; never blocks."""
        self._queue.put(message)

    def take(self, until: float) -> tuple[Message, ...]:
        """Take all that is there; wait for the first one until ``until`` (monotonic s)."""
        found: list[Message] = []
        try:
            found.append(self._queue.get(timeout=max(0.0, until - time.monotonic())))
            while True:
                found.append(self._queue.get_nowait())
        except queue.Empty:
            return tuple(found)
