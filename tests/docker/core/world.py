"""A rack and a swarm that behave: actions change the swarm as Docker would, and a plan can be made again.

``rack_and_swarm`` draws whatever may be found one day: phantoms, foreign entries, nodes renamed, drained, lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from grape_docker.core import memory
from grape_docker.core.reconcile import reconcile
from grape_docker.model import (
    DRAINED,
    LABEL_MAC,
    LABEL_SLOT,
    LABEL_STACK,
    Action,
    Availability,
    Health,
    Hold,
    Join,
    Known,
    Leave,
    Memory,
    NodeFact,
    Plan,
    Rack,
    Remove,
    Retry,
    Role,
    SetAvailability,
    SetLabels,
    SetRole,
    Settings,
    Swarm,
    SwarmNode,
    Trouble,
)

NOW = 10_000.0
MASTER = SwarmNode(id="master", hostname="master", state=Health.READY, role=Role.MANAGER, leader=True)


def node(number: int = 0, **changes: Any) -> NodeFact:
    """A node that is up and well."""
    base = NodeFact(
        name=f"worker-0-{number}",
        stack=0,
        slot=number,
        mac=f"02:00:00:00:00:0{number}",
        model="pi4",
        image="bookworm",
        power="on",
        desired="on",
        power_since=NOW - 1000.0,
        stage="up",
        address=f"10.77.0.1{number}",
        trusted=True,
        watts=7.0,
    )
    return replace(base, **changes)


def off(number: int = 0, **changes: Any) -> NodeFact:
    """A node that was switched off."""
    return node(number, **{"power": "off", "desired": "off", "stage": "off", "power_since": NOW - 10.0, **changes})


def entry(number: int = 0, **changes: Any) -> SwarmNode:
    """The entry of that node as it should be."""
    base = SwarmNode(
        id=f"id{number}",
        hostname=f"worker-0-{number}",
        state=Health.READY,
        labels=labels(number),
        address=f"10.77.0.1{number}",
    )
    return replace(base, **changes)


def labels(number: int = 0, **more: str) -> dict[str, str]:
    """The labels of that node."""
    return {
        "grape.stack": "0",
        "grape.slot": str(number),
        "grape.model": "pi4",
        "grape.image": "bookworm",
        "grape.mac": f"02:00:00:00:00:0{number}",
        **more,
    }


@dataclass
class World:
    """What is, and what the daemon remembers."""

    nodes: list[NodeFact]
    entries: list[SwarmNode]
    holds: list[Hold] = field(default_factory=list)
    known: Known = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    now: float = NOW
    done: list[Action] = field(default_factory=list)
    before_apply: Callable[[Action, World], None] = lambda action, world: None
    made: int = 0

    @property
    def rack(self) -> Rack:
        return Rack(nodes=tuple(self.nodes), holds=tuple(self.holds))

    @property
    def swarm(self) -> Swarm:
        return Swarm(id="swarm", self_id=MASTER.id, nodes=(MASTER, *self.entries))

    def plan(self) -> Plan:
        return reconcile(self.rack, self.swarm, self.known, self.settings, self.now)

    def round(self) -> Plan:
        """Plan once, and do all of it."""
        plan = self.plan()
        self.known = plan.known
        for action in plan.actions:
            self.before_apply(action, self)
            self.apply(action)
        self.done.extend(plan.actions)
        return plan

    def settle(self, rounds: int = 40) -> Plan:
        """Go on until a plan has no action."""
        for _ in range(rounds):
            if not (plan := self.round()).actions:
                return plan
        raise AssertionError(f"no end: {plan.actions}")

    def of(self, number: int) -> list[SwarmNode]:
        """The entries of a node's name."""
        return [one for one in self.entries if one.hostname == f"worker-0-{number}"]

    def change(self, number: int, **changes: Any) -> None:
        """A node is seen otherwise."""
        self.nodes = [replace(one, **changes) if one.slot == number else one for one in self.nodes]

    def apply(self, action: Action) -> None:
        match action:
            case Join():
                self._join(action)
            case Leave():
                self._alter(action.node_id, state=Health.DOWN)
                self.known = memory.left(self.known, action.name)
            case SetLabels():
                changed = {**self.entry(action.node_id).labels, **action.labels}
                kept = {key: value for key, value in changed.items() if value is not None}
                self._alter(action.node_id, labels=kept)
            case SetAvailability():
                self._alter(action.node_id, availability=action.availability)
            case SetRole():
                self._alter(action.node_id, role=action.role)
            case Remove():
                gone = self.entry(action.node_id)
                assert gone.role is Role.WORKER, "Docker refuses to remove a manager"
                assert gone.state is Health.DOWN, "Docker refuses to remove a node that is not down"
                self.entries.remove(gone)

    def _join(self, action: Join) -> None:
        """The node leaves what it is in where it has to, joins, or finds that it is in already."""
        fact = next(one for one in self.nodes if one.name == action.name)
        named = [one for one in self.entries if one.hostname == action.name]
        same = [one for one in named if one.id == self.known.get(action.name, Memory()).own_id]
        same = same or [one for one in named if one.state is Health.READY]
        if same and not action.fresh:
            self._alter(same[0].id, state=Health.READY)
            self.known = memory.joined(self.known, fact, same[0].id, self.now)
            return
        for one in self.entries:
            if (fact.mac and one.labels.get(LABEL_MAC) == fact.mac) or (action.fresh and one in same):
                self._alter(one.id, state=Health.DOWN)
        self.made += 1
        new = SwarmNode(
            id=f"new{self.made}", hostname=action.name, state=Health.READY, address=fact.address, created=self.now
        )
        self.entries.append(new)
        self.known = memory.joined(self.known, fact, new.id, self.now)

    def entry(self, node_id: str) -> SwarmNode:
        return next(one for one in self.entries if one.id == node_id)

    def _alter(self, node_id: str, **changes: Any) -> None:
        assert node_id != MASTER.id
        self.entries = [replace(one, **changes) if one.id == node_id else one for one in self.entries]


STAGES = st.sampled_from(["powered", "kernel", "root", "up", "up", "up", "lost", None])
TIMES = st.floats(min_value=0.0, max_value=NOW)


@st.composite
def nodes(draw: st.DrawFn, number: int) -> NodeFact:
    base = node(
        number,
        role=draw(st.sampled_from([Role.WORKER, Role.WORKER, Role.MANAGER])),
        mac=draw(st.sampled_from([f"02:00:00:00:00:0{number}", None])),
        power_since=draw(TIMES | st.none()),
        trusted=draw(st.sampled_from([True, True, True, False, None])),
        address=draw(st.sampled_from([f"10.77.0.1{number}", f"10.77.0.9{number}", None])),
        job=draw(st.sampled_from([None, None, None, 7])),
    )
    if draw(st.booleans()):
        return replace(base, power=draw(st.sampled_from(["on", "on", "unknown"])), stage=draw(STAGES))
    return replace(base, power="off", desired=draw(st.sampled_from(["off", "on"])), stage="off")


@st.composite
def entries(draw: st.DrawFn, number: int, hostnames: list[str]) -> SwarmNode:
    slot = draw(st.integers(0, 3))
    kept = draw(st.sets(st.sampled_from(sorted(labels(slot)))))
    told = {key: value for key, value in labels(slot).items() if key in kept}
    told |= draw(st.dictionaries(st.sampled_from(["disk", "zone"]), st.sampled_from(["a", "b"])))
    told |= draw(st.sampled_from([{}, {}, {DRAINED: "off"}, {DRAINED: "asked"}]))
    return SwarmNode(
        id=f"id{number}",
        hostname=draw(st.sampled_from(hostnames)),
        state=draw(st.sampled_from([*Health, Health.READY, Health.DOWN])),
        availability=draw(st.sampled_from(list(Availability))),
        role=draw(st.sampled_from([Role.WORKER, Role.WORKER, Role.WORKER, Role.MANAGER])),
        labels=told,
        address=draw(st.sampled_from([None, f"10.77.0.1{slot}"])),
        created=draw(TIMES),
        reachable=draw(st.sampled_from([True, True, True, False])),
    )


@st.composite
def memories(draw: st.DrawFn, number: int, ids: list[str]) -> Memory:
    some_id = st.sampled_from([*ids, "gone", None])
    failed_at = draw(TIMES)
    trouble = Trouble(name=f"worker-0-{number}", code="ssh_refused", message="refused", since=failed_at)
    return Memory(
        own_id=draw(some_id),
        joined_at=draw(TIMES),
        address=draw(st.sampled_from([None, f"10.77.0.1{number}"])),
        settled_id=draw(some_id),
        labels=draw(st.dictionaries(st.sampled_from(["disk", "zone"]), st.sampled_from(["a", "b"]))),
        availability=draw(st.sampled_from(list(Availability))),
        retry=draw(st.sampled_from([Retry(), Retry(failures=1, failed_at=failed_at, trouble=trouble)])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Anything."""
    facts = [draw(nodes(number)) for number in range(draw(st.integers(0, 3)))]
    hostnames = ["worker-0-0", "worker-0-1", "worker-0-2", "raspberrypi", "master"]
    found = [draw(entries(number, hostnames)) for number in range(draw(st.integers(0, 5)))]
    ids = [one.id for one in found]
    held = [one for one in facts if draw(st.sampled_from([False, False, True]))]
    verbs = st.sampled_from(["off", "cycle"])
    return World(
        nodes=facts,
        entries=found,
        holds=[Hold(name=one.name, job=7, verb=draw(verbs), since=NOW - 5, deadline=NOW + 60) for one in held],
        known={one.name: draw(memories(one.slot, ids)) for one in facts if draw(st.booleans())},
    )


def labelled_for(found: SwarmNode, facts: list[NodeFact]) -> bool:
    """Whether an entry got labels from us for one of these nodes."""
    told = found.labels
    return any(
        told[LABEL_MAC] == one.mac
        if LABEL_MAC in told
        else (told.get(LABEL_STACK), told.get(LABEL_SLOT)) == (str(one.stack), str(one.slot))
        for one in facts
    )
