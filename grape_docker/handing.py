"""Handing out: what is planned for a node is begun, unless it is worked on, or has failed just now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from grape_docker.acting import Hands, Situation
from grape_docker.inbox import Inbox, WorkDone, WorkTold
from grape_docker.looking import Sight
from grape_docker.model import Action
from grape_docker.work import Workshop

log = logging.getLogger("grape_docker")

PAUSE_S = 1.0  # after a failure of any kind: a drain has no back-off, nor has the master


class Crew:
    """Who works on what. For the thread of the loop. ``once``: one attempt a node."""

    def __init__(
        self, inbox: Inbox, hands: Hands, workshop: Workshop, monotonic: Callable[[], float], *, once: bool = False
    ) -> None:
        self._inbox = inbox
        self._hands = hands
        self._workshop = workshop
        self._monotonic = monotonic
        self._once = once
        self._lines: dict[str, str] = {}
        self._paused: dict[str, float] = {}  # who failed just now: not begun again before (monotonic s)
        self._given_up: set[str] = set()
        self.worked = float("-inf")  # when something was done last (monotonic s)

    @property
    def busy(self) -> frozenset[str]:
        """The names that are worked on."""
        return self._workshop.busy

    @property
    def working(self) -> Mapping[str, str]:
        """What is done for each of them, in a line."""
        return {name: self._lines.get(name, "") for name in self.busy}

    @property
    def next_at(self) -> float:
        """When somebody may be tried again (monotonic s)."""
        now = self._monotonic()
        return min((at for at in self._paused.values() if at > now), default=float("inf"))

    def free(self, name: str) -> bool:
        """Whether work on a node can be begun now."""
        paused = self._paused.get(name, 0.0) > self._monotonic()
        return not (paused or name in self.busy or name in self._given_up)

    def hand_out(self, actions: Iterable[Action], sight: Sight) -> bool:
        """Begin what can be begun, for each node all of its actions in order; return whether anything was."""
        by_name: dict[str, list[Action]] = {}
        for action in actions:
            if self.free(action.name):
                by_name.setdefault(action.name, []).append(action)
        now = Situation(settings=sight.settings, swarm=sight.swarm)
        begun = False
        for name, own in by_name.items():
            tell = partial(self._tell, name)
            begun |= self._workshop.start(name, partial(self._hands.work, name, own, now, tell))
        return begun

    def told(self, message: WorkTold) -> None:
        """Take what is being done for a node."""
        if message.name in self.busy:
            self._lines[message.name] = message.line
            log.debug("%s: %s", message.name, message.line)

    def took(self, done: WorkDone) -> None:
        """Take the end of a node's work."""
        self._workshop.finished(done.name)
        self._lines.pop(done.name, None)
        self._paused.pop(done.name, None)
        self.worked = self._monotonic()
        if done.trouble is not None:
            self._paused[done.name] = self.worked + PAUSE_S
            if self._once:
                self._given_up.add(done.name)
        for line in done.lines:
            log.info("%s: %s", done.name, line)

    def settle(self, timeout_s: float) -> None:
        """Give what is being done a moment to end."""
        for name in self._workshop.settle(timeout_s):
            log.info("%s: left as it is: %s", name, self._lines.get(name, ""))

    def _tell(self, name: str, line: str) -> None:  # in any thread
        self._inbox.put(WorkTold(name=name, line=line))
