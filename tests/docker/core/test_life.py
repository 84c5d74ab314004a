"""A life of three nodes: switched, cut, reset, drained and labelled by people, while the daemon dies now and then.

Whatever happens in whatever order: once all is quiet, a node that is up is in the swarm exactly once, ready, with what
people set on it; and no node that Docker saw alive was ever removed.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from grape_docker.core import drain, memory
from grape_docker.model import (
    DRAINED,
    DRAINED_ASKED,
    OURS,
    Availability,
    Health,
    Hold,
    Join,
    Leave,
    NodeFact,
    SwarmNode,
)
from tests.docker.core.test_reconcile_properties import is_consistent, is_safe
from tests.docker.core.world import World, labels, node, off

NUMBERS = st.integers(0, 2)


class Machines(World):
    """A world whose nodes know by themselves which entry is theirs, as Docker on a disk does."""

    def __init__(self) -> None:
        super().__init__(nodes=[node(0), node(1), off(2, power_since=1.0)], entries=[], before_apply=is_safe)
        self.disk: dict[str, str] = {}

    def _join(self, action: Join) -> None:
        fact = next(one for one in self.nodes if one.name == action.name)
        own = self.disk.get(action.name)
        if own is None or action.fresh or own not in {one.id for one in self.entries}:
            if own in {one.id for one in self.entries}:
                self._alter(str(own), state=Health.DOWN)
            self.made += 1
            own = f"new{self.made}"
            self.entries.append(SwarmNode(id=own, hostname=action.name, state=Health.READY, created=self.now))
            self.disk[action.name] = own
        self._alter(own, state=Health.READY)
        self.known = memory.joined(self.known, fact, own, self.now)

    def leave(self, action: Leave) -> None:
        self.apply(action)
        self.disk.pop(action.name, None)


class Life(RuleBasedStateMachine):
    """Rules are what people and accidents do; the daemon plans after each, and Docker notices what is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Machines()
        self.people: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}

    def fact(self, number: int) -> NodeFact:
        return self.world.nodes[number]

    @rule(number=NUMBERS)
    def comes_on(self, number: int) -> None:
        if self.fact(number).is_off:
            self.world.now += 5
            self.world.change(number, power="on", desired="on", stage="up", power_since=self.world.now - 3)

    @rule(number=NUMBERS, loses_disk=st.booleans(), back=st.booleans())
    def is_cut(self, number: int, loses_disk: bool, back: bool) -> None:
        if self.fact(number).is_off:
            return
        self.world.change(number, power="off", stage="off", power_since=self.world.now)
        if loses_disk:
            self.world.disk.pop(self.fact(number).name, None)
        if back:
            self.comes_on(number)

    @rule(number=NUMBERS, verb=st.sampled_from(["off", "cycle"]), can_leave=st.booleans())
    def goes_by_request(self, number: int, verb: str, can_leave: bool) -> None:
        """As graped does it: the guard is asked, the daemon drains, lets go, and the power goes."""
        world, fact = self.world, self.fact(number)
        if fact.is_off:
            return
        world.change(number, job=7, desired="off" if verb == "off" else "on")
        world.holds = [Hold(name=fact.name, job=7, verb=verb, since=world.now, deadline=world.now + 60)]
        stuck: set[tuple[str, int]] = set()
        for _ in range(10):
            is_consistent(world.round())
            [judged] = drain.judge(world.rack, world.swarm, (), world.known, world.settings, world.now, stuck=stuck)
            if judged.release:
                break
            if judged.leave and can_leave:
                world.leave(judged.leave)
            elif judged.leave:
                stuck.add((fact.name, 7))
        else:
            raise AssertionError(judged.note)
        world.holds = []
        assert fact.name not in {one.name for one in world.round().actions if isinstance(one, Join)}
        world.change(number, power="off", stage="off", power_since=world.now)
        self.docker_notices()
        world.round()
        world.change(number, job=None)
        if verb == "cycle":
            self.comes_on(number)

    def docker_notices(self) -> None:
        """Three heartbeats on, what has no power is down."""
        self.world.now += 15
        dark = {one.name for one in self.world.nodes if one.is_off}
        gone = [one for one in self.world.entries if one.hostname in dark]
        gone += [one for one in self.world.entries if self.world.disk.get(one.hostname) != one.id]
        for one in gone:
            self.world._alter(one.id, state=Health.DOWN)

    @rule(seconds=st.sampled_from([1.0, 100.0, 400.0]), dies=st.booleans())
    def time_passes(self, seconds: float, dies: bool) -> None:
        self.world.now += seconds
        if dies:
            self.world.known = memory.load(memory.dump(self.world.known))

    @rule(number=NUMBERS, value=st.sampled_from(["ssd", "usb"]))
    def is_labelled(self, number: int, value: str) -> None:
        for one in self.living(number):
            self.world._alter(one.id, labels={**one.labels, "disk": value})
            self.people[number] = {**self.people[number], "disk": value}

    @rule(number=NUMBERS, drained=st.booleans())
    def is_drained_by_a_person(self, number: int, drained: bool) -> None:
        for one in self.living(number):
            kept = {key: value for key, value in one.labels.items() if key != DRAINED}
            mark = {DRAINED: DRAINED_ASKED} if drained else {}
            wanted = Availability.DRAIN if drained else Availability.ACTIVE
            self.world._alter(one.id, labels=kept | mark, availability=wanted)
            self.people[number] = {key: value for key, value in self.people[number].items() if key != DRAINED} | mark

    def living(self, number: int) -> list[SwarmNode]:
        """The entry that people would see as the node's; they touch it when all is quiet, and the daemon sees it."""
        self.settled()
        return [one for one in self.world.of(number) if one.state is Health.READY]

    def settled(self) -> None:
        self.world.settle()
        self.docker_notices()
        self.world.settle()

    @invariant()
    def all_is_well_once_it_is_quiet(self) -> None:
        self.settled()
        for fact in self.world.nodes:
            found = self.world.of(fact.slot)
            if fact.is_up:
                [only] = found
                assert only.state is Health.READY
                assert only.labels == labels(fact.slot, **self.people[fact.slot])
                drained = self.people[fact.slot].get(DRAINED) == DRAINED_ASKED
                assert only.availability is (Availability.DRAIN if drained else Availability.ACTIVE)
            else:
                assert len(found) <= 1
                assert all(set(one.labels) >= set(OURS) for one in found)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=12, deadline=None)
