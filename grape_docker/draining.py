"""Nodes whose power is to go: held by our guard until they are drained, told about meanwhile, and let go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from grape_docker.core import drain
from grape_docker.guard import Guard
from grape_docker.inbox import WorkDone
from grape_docker.looking import Sight
from grape_docker.model import Hold, Known, Leave, Settings, TaskFact
from graped.errors import GrapeError

log = logging.getLogger("grape_docker")

LOOK_S = 0.3  # between two looks at the tasks of a node that is drained: tasks have no events
RETRY_S = 1.0
NOTE_CHARS = 200  # as many as graped takes


class Drains:
    """The guard, and how far each drain is. Without a guard (``--once``) nothing is ever held."""

    def __init__(self, guard: Guard | None, monotonic: Callable[[], float]) -> None:
        self._guard = guard
        self._monotonic = monotonic
        self._left: set[tuple[str, int]] = set()
        self._leaving: dict[str, int] = {}  # name -> job
        self._stuck: set[tuple[str, int]] = set()
        self._again = 0.0

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What graped waits for us with."""
        return self._guard.holds if self._guard else ()

    @property
    def next_at(self) -> float:
        """When to look again (monotonic s)."""
        if self._guard is None:
            return float("inf")
        renewal = max(self._guard.next_at, self._again)
        return min(renewal, self._monotonic() + LOOK_S) if self.holds else renewal

    def stale(self) -> None:
        """Ask graped anew what we hold."""
        self._again = 0.0
        if self._guard:
            self._guard.stale()

    def renew(self, names: Collection[str]) -> None:
        """Keep the lease. A graped that does not answer is told of by who looks at it."""
        if self._guard is None or not self._guard.due(names) or self._monotonic() < self._again:
            return
        try:
            self._guard.renew(names)
        except GrapeError as error:
            self._again = self._monotonic() + RETRY_S
            log.debug("the guard is not renewed: %s", error)
            return
        open_ = {(hold.name, hold.job) for hold in self._guard.holds}
        self._left &= open_
        self._stuck &= open_

    def took(self, done: WorkDone) -> None:
        """Note how a node's leaving ended. One that cannot leave is let go all the same: it is drained."""
        job = self._leaving.pop(done.name, None)
        if job is not None:
            (self._left if done.left else self._stuck).add((done.name, job))

    def attend(
        self, sight: Sight, tasks: Sequence[TaskFact], known: Known, now: float, free: Callable[[str], bool]
    ) -> tuple[Leave, ...]:
        """Tell how far each held node is, let go of those that are done, and return who has to leave now.

        ``free`` says whether work on a node can be begun: it will be.
        """
        leaving: list[Leave] = []
        holds = {(hold.name, hold.job): hold for hold in self.holds}
        for one in drain.judge(sight.rack, sight.swarm, tasks, known, sight.settings, now, stuck=self._stuck):
            hold = holds.get((one.name, one.job))
            if hold is None:
                continue
            if (one.name, one.job) in self._left:
                self._say(hold, "drained, left the swarm", release=True)
                continue
            if one.release and one.name in self._leaving and now < one.until:
                continue  # it is down already, but its own word that it left is still on its way
            self._say(hold, one.note, release=one.release)
            if one.leave is not None and free(one.name):
                self._leaving[one.name] = one.job
                leaving.append(one.leave)
        return tuple(leaving)

    def blind(self, settings: Settings | None, why: str, now: float) -> None:
        """Tell that nobody can see what is left on held nodes; at the deadline they are let go all the same."""
        for hold in self.holds:
            over = settings is not None and now >= drain.deadline(hold, settings)
            self._say(hold, why, release=over)

    def close(self) -> None:
        """Let go of everything. Raises: what the client raises."""
        if self._guard is not None:
            self._guard.remove()

    def _say(self, hold: Hold, note: str, *, release: bool) -> None:
        if self._guard is None:
            return
        note = note[:NOTE_CHARS]
        try:
            if release:
                self._guard.release(hold, note)
            else:
                self._guard.tell(hold, note)
        except GrapeError as error:
            log.debug("%s: graped is not told %r: %s", hold.name, note, error)
