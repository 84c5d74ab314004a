"""Elastic mode, done: graped is asked to switch nodes on because tasks wait, and off because they are idle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from grape_docker import rack
from grape_docker.acting import trouble_of
from grape_docker.core import elastic
from grape_docker.looking import Sight
from grape_docker.model import Known, TaskFact, Trouble
from graped.api.client import Client
from graped.api.folding import fold
from graped.errors import GrapeError

log = logging.getLogger("grape_docker")

LOOK_S = 1.0  # between two looks at tasks: that one waits for a node is no event of Docker's
RETRY_S = 10.0  # after graped refused


class Stretch:
    """Since when who is idle, and what was asked for last."""

    def __init__(self, client: Client, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._idle: Mapping[str, float] = {}
        self._again: dict[str, float] = {}  # by verb: graped refused it, and is not asked before
        self._refused: dict[str, Trouble] = {}
        self._active = False
        self._looked = 0.0

    @property
    def next_at(self) -> float:
        """When to look at tasks again (monotonic s)."""
        return self._looked + LOOK_S if self._active else float("inf")

    def begin(self, *, active: bool) -> None:
        """Note that it is on or off, and that tasks are looked at now if that can be done."""
        self._active, self._looked = active, self._monotonic()
        if not active:
            self._idle, self._refused = {}, {}

    def turn(self, sight: Sight, tasks: Sequence[TaskFact], known: Known, now: float) -> tuple[bool, list[Trouble]]:
        """Judge, and ask for power; return whether anything was asked for, and what is in the way."""
        judged = elastic.judge(
            sight.rack, sight.swarm, tasks, sight.elastic_names, known, self._idle, sight.settings, now
        )
        self._idle = judged.idle
        quiet = f"idle for {sight.settings.elastic.quiet_s:g} s"
        asked = self._switch("on", judged.on, judged.why_on, now) | self._switch("off", judged.off, quiet, now)
        troubles = list(self._refused.values())
        if judged.short:
            troubles.append(Trouble(name="", code="elastic_short", message=judged.short, since=now))
        return asked, troubles

    def _switch(self, verb: str, names: Sequence[str], why: str, now: float) -> bool:
        if not names:
            self._refused.pop(verb, None)
            return False
        if self._monotonic() < self._again.get(verb, 0.0):
            return False
        try:
            job = rack.switch(self._client, verb, names)
        except GrapeError as error:
            self._again[verb] = self._monotonic() + RETRY_S
            told = trouble_of("", error, now)
            message = f"{fold(names)} not switched {verb}: {told.message}"
            self._refused[verb] = Trouble(name="", code=told.code, message=message, hint=told.hint, since=now)
            return False
        self._refused.pop(verb, None)
        log.info("%s: switched %s by job %d: %s", fold(names), verb, job, why)
        return True
