"""What is: the rack as graped tells it, the swarm as Docker tells it; each is read again only when it is stale."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from grape_docker import rack
from grape_docker.model import NodeFact, Rack, Settings, Swarm, TaskFact
from grape_docker.swarm.manager import Manager
from graped.api.client import Client
from graped.errors import GrapeError

log = logging.getLogger("grape_docker")

SAFETY_S = 30.0  # events tell of nearly every change; a look now and then finds what they left out
ECHO_S = 1.0  # after an event: some tell of a change just before it is so, a few changes come without one
UNSURE_S = 30.0  # so long after graped began: it finds nodes up without an event, and is asked each ECHO_S
RETRY_S = 2.0  # a side that does not answer is asked again after so long, or when it is heard of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that a plan is made from."""

    settings: Settings
    rack: Rack
    swarm: Swarm
    elastic_names: tuple[str, ...] = ()  # whom elastic mode may switch


class Eyes:
    """Look at graped and Docker. For one thread. A side that fails is not asked again before ``RETRY_S``."""

    def __init__(self, client: Client, manager: Manager, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._manager = manager
        self._monotonic = monotonic
        self.settings: Settings | None = None
        self._rack: Rack | None = None
        self._nodes: dict[str, NodeFact] = {}  # as they were when they were seen last
        self._names: tuple[str, ...] = ()
        self._swarm: Swarm | None = None
        self._founded = False
        self._told_of = ""
        self._swarm_at = 0.0
        self._rack_due = 0.0  # when the rack is read again by itself
        self._rack_at = 0.0
        self._unsure_until = 0.0
        self._again: dict[str, float] = {}
        self._guarded: frozenset[str] = frozenset()
        self.failures: dict[str, GrapeError] = {}  # by side: graped, docker

    def stale_settings(self) -> None:
        """Read the configuration, and the rack, again."""
        self.settings = None
        self._unsure_until = self._monotonic() + UNSURE_S
        self.stale_rack()

    def stale_rack(self) -> None:
        """Read the rack again: now, and once more a moment later."""
        self._rack = None
        self._rack_due = self._monotonic() + ECHO_S
        self._again.pop("graped", None)

    def stale_swarm(self, *, found: bool = True) -> None:
        """Read the swarm again; with ``found`` false also see whether there is one."""
        self._swarm = None
        self._founded = self._founded and found
        self._again.pop("docker", None)

    def look(self) -> Sight | None:
        """Look at what is stale; what our guard holds is not in it. None: a side is silent; see ``failures``."""
        if self._monotonic() >= self._swarm_at + SAFETY_S:
            self._swarm = None
        if self._monotonic() >= self._due():
            self._rack = None
        self._try("graped", self._look_at_graped)
        if self.settings is not None:
            self._try("docker", self._look_at_docker)
        if self.settings is None or self._rack is None or self._swarm is None:
            return None
        return Sight(settings=self.settings, rack=self._rack, swarm=self._swarm, elastic_names=self._names)

    def tasks(self) -> tuple[TaskFact, ...] | None:
        """Read the swarm's tasks; None where Docker does not answer."""
        try:
            return self._manager.tasks()
        except GrapeError as error:
            self._failed("docker", error)
            return None

    def node(self, name: str) -> NodeFact | None:
        """One node as it was seen last; None: no such node is configured."""
        return self._nodes.get(name)

    @property
    def last_settings(self) -> Settings:
        """The configuration as it was read last, also where it is to be read again."""
        return self._manager.settings

    @property
    def swarm_id(self) -> str | None:
        """The swarm that was seen last."""
        return self._swarm.id if self._swarm else None

    @property
    def members(self) -> int:
        """How many of the nodes were in the swarm when it was seen last."""
        return len(self._guarded & self._nodes.keys())

    def guarded(self, also: Iterable[str]) -> frozenset[str]:
        """Name the nodes whose power should not go without us: those in the swarm, and these."""
        if self._swarm is not None:
            self._guarded = frozenset(one.hostname for one in self._swarm.nodes)
        return (self._guarded | frozenset(also)) & self._nodes.keys()

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    @property
    def next_at(self) -> float:
        """When to look again by itself (monotonic s)."""
        asked = ("graped", "docker") if self.settings is not None else ("graped",)
        again = [self._again[side] for side in asked if side in self._again]
        return min(again, default=min(self._swarm_at + SAFETY_S, self._due()))

    def _due(self) -> float:
        """When to read the rack again though nothing was heard."""
        if self._monotonic() < self._unsure_until and any(
            one.power == "on" and one.stage is None and one.trusted for one in self._nodes.values()
        ):
            return min(self._rack_due, self._rack_at + ECHO_S)
        return self._rack_due

    def _look_at_graped(self) -> None:
        if self.settings is None:
            self.settings = self._manager.settings = rack.settings(self._client)
        if self._rack is None:
            self._rack_at = self._monotonic()
            if self._monotonic() >= self._rack_due:
                self._rack_due = self._monotonic() + SAFETY_S
            snapshot = rack.snapshot(self._client)
            elastic = self.settings.elastic
            self._names = rack.expand(self._client, elastic.nodes) if elastic.active else ()
            self._rack = snapshot
            self._nodes = {node.name: node for node in snapshot.nodes}

    def _look_at_docker(self) -> None:
        if not self._founded:
            founded = self._manager.ensure()
            self._founded = True
            if founded.id != self._told_of:
                self._told_of = founded.id
                log.info("%s swarm %s", "made" if founded.made else "looks after", founded.id)
                for note in founded.notes:
                    log.warning("%s", note)
        if self._swarm is None:
            self._swarm = self._manager.swarm()
            self._swarm_at = self._monotonic()

    def _try(self, side: str, look: Callable[[], None]) -> None:
        if self._again.get(side, 0.0) > self._monotonic():
            return
        try:
            look()
        except GrapeError as error:
            self._failed(side, error)
        else:
            self.failures.pop(side, None)
            self._again.pop(side, None)

    def _failed(self, side: str, error: GrapeError) -> None:
        self.failures[side] = error
        self._again[side] = self._monotonic() + RETRY_S
        if side == "docker":
            self._swarm, self._founded = None, False
