"""Waves: a world of nodes that obey, fail and crash at any point; nothing but the world says what is true."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.core import rollout as machine
from graped.core.rollout_types import BACKWARD, FORWARD, Action, Ended, Found, Orders, Rollout, Status, Step
from graped.model import SlotId

IMAGE = "trixie@222222222222"
FAILS = (Step.PREPARING, Step.CYCLING, Step.BOOTING, Step.CHECKING)
BACK_FAILS = (Step.STOPPING, Step.RETURNING, Step.STARTING, Step.RISING)


def slots(count: int) -> tuple[SlotId, ...]:
    return tuple(SlotId(number // 6, number % 6) for number in range(count))


@dataclass(slots=True)
class Machine:
    """One node as it is."""

    on: bool = True
    root: str = "old"
    runs: str = "old"  # the root that it came up with
    up: bool = True
    boots: int = 1


@dataclass(slots=True)
class World:
    """All nodes, what is being done to them, and where each of them fails."""

    rollout: Rollout
    bad: dict[SlotId, Step] = field(default_factory=dict)
    bad_back: dict[SlotId, Step] = field(default_factory=dict)
    nodes: dict[SlotId, Machine] = field(default_factory=dict)
    doing: list[tuple[SlotId, Step]] = field(default_factory=list)
    began: list[Step] = field(default_factory=list)
    failed: bool = False  # in the wave that has begun
    off: frozenset[SlotId] = frozenset()  # switched off before it began

    def start(self) -> None:
        self.nodes = {node.slot: self._at_first(node.slot) for node in self.rollout.nodes}
        self._go(None, machine.begin(self.rollout))

    def _at_first(self, slot: SlotId) -> Machine:
        return Machine(on=False, up=False, boots=0) if slot in self.off else Machine()

    def _go(self, before: Rollout | None, now: Rollout) -> None:
        self.rollout = now
        for action in machine.actions(before, now):
            assert len(action.slots) == len(set(action.slots))
            for slot in action.slots:
                if now.orders.image and self.failed:
                    assert action.step in BACKWARD, "something forward begins after a failure"
                self.doing.append((slot, action.step))
                self.began.append(action.step)
        self.check()

    def check(self) -> None:
        """At any moment: what is down or worked on is one wave; what is not begun is as it was."""
        wave = {node.slot for node in self.rollout.nodes if node.wave == self.rollout.wave}
        down = {slot for slot, one in self.nodes.items() if not one.up and slot not in self.off}
        assert not any(self.nodes[slot].on for slot in self.off), "what was off came on"
        assert {slot for slot, _ in self.doing} <= wave
        if self.rollout.orders.image:
            assert down <= wave
        for node in self.rollout.nodes:
            if node.step is Step.WAITING:
                assert self.nodes[node.slot] == self._at_first(node.slot)

    def end_one(self, index: int) -> None:
        """Let one thing that is being done end."""
        slot, step = self.doing.pop(index % len(self.doing))
        error = "it failed" if step in (self.bad.get(slot), self.bad_back.get(slot)) else ""
        if not error:
            self._happens(slot, step)
        else:
            self._half(slot, step)
            self.failed = self.failed or self.rollout.orders.image != ""
        end = Ended(slot=slot, step=step, error=error)
        if step is Step.PREPARING:
            boot = str(self.nodes[slot].boots)
            end = replace(end, was="1" if self.rollout.orders.image else "", was_image="bookworm@1", boot=boot)
            if slot in self.off:
                end = replace(end, off=True, skip=not self.rollout.orders.image, note="it is off")
        self._go(self.rollout, machine.take(self.rollout, end))

    def _happens(self, slot: SlotId, step: Step) -> None:
        one = self.nodes[slot]
        match step:
            case Step.PREPARING if self.rollout.orders.image:
                one.root = "new"
            case Step.CYCLING:
                one.on, one.up, one.boots, one.runs = True, False, one.boots + 1, one.root
            case Step.STARTING:
                one.on, one.up, one.boots, one.runs = True, False, one.boots + (not one.on), one.root
            case Step.STOPPING:
                one.on = one.up = False
            case Step.RETURNING:
                assert not one.on
                one.root = "old"
            case Step.BOOTING | Step.RISING:
                assert one.on
                one.up = True
            case _:
                pass

    def _half(self, slot: SlotId, step: Step) -> None:
        """What failed may have done half of it."""
        if step in (Step.CYCLING, Step.STARTING):
            self.nodes[slot].on = self.nodes[slot].up = False

    def crash(self, done: list[bool]) -> None:
        """Graped ends: of what was being done, some has happened and nobody was told."""
        for (slot, step), happens in zip(self.doing, done * len(self.doing), strict=False):
            fails = step in (self.bad.get(slot), self.bad_back.get(slot))
            if happens and not fails:
                self._happens(slot, step)
            elif happens:
                self._half(slot, step)
        self.doing = []
        found = {node.slot: self._found(node.slot, node.boot) for node in machine.in_hand(self.rollout)}
        self._go(None, machine.resume(self.rollout, found))

    def _found(self, slot: SlotId, boot: str) -> Found:
        one = self.nodes[slot]
        if one.on and self.bad.get(slot) is not Step.BOOTING and self.bad_back.get(slot) is not Step.RISING:
            one.up = True  # what boots is waited for
        rebooted = str(one.boots) != boot if one.up and boot else None
        return Found(new=one.root == "new", old=one.root == "old", up=one.up, rebooted=rebooted, was="1")

    def finish(self) -> None:
        for _ in range(2000):
            if not self.doing:
                break
            self.end_one(0)
        assert not self.doing

    def told(self) -> None:
        """At the end: each node is on the root that is told of it, and runs it where all went well."""
        assert self.rollout.status is not Status.RUNNING
        for node in self.rollout.nodes:
            one = self.nodes[node.slot]
            if self.rollout.orders.image:
                assert one.root == ("new" if node.moved else "old"), node
            if node.step is Step.PASSED:
                assert one.up
                assert one.boots > 1
                assert one.runs == ("new" if self.rollout.orders.image else "old")
            if node.step is Step.BACK and node.slot not in self.off:
                assert one.up
                assert one.runs == "old"
            assert node.step not in FORWARD | BACKWARD | {Step.READY, Step.RETURNED}
            assert node.reason or node.step in (Step.PASSED, Step.WAITING, Step.MOVED)


def world(
    orders: Orders, count: int, bad: dict[int, Step], bad_back: dict[int, Step], off: frozenset[int] = frozenset()
) -> World:
    where = slots(count)
    rollout = Rollout(id=1, orders=orders, nodes=machine.planned(orders, where))
    return World(
        rollout=rollout,
        off=frozenset(where[index] for index in off if index < count),
        bad={where[index]: step for index, step in bad.items() if index < count},
        bad_back={where[index]: step for index, step in bad_back.items() if index < count},
    )


orders_drawn = st.builds(
    Orders,
    image=st.sampled_from(["", IMAGE]),
    canary=st.integers(0, 2),
    wave=st.integers(1, 5),
    failures=st.integers(1, 3),
    health=st.sampled_from(["", "true"]),
)
bad_drawn = st.dictionaries(st.integers(0, 11), st.sampled_from(FAILS), max_size=3)
bad_back_drawn = st.dictionaries(st.integers(0, 11), st.sampled_from(BACK_FAILS), max_size=2)
off_drawn = st.frozensets(st.integers(0, 11), max_size=3)
# Each number lets that piece of work end next; None is a crash, of which the booleans say what had happened.
story_drawn = st.lists(st.one_of(st.integers(0, 20), st.lists(st.booleans(), min_size=1, max_size=4)), max_size=60)


@given(orders_drawn, st.integers(1, 12), bad_drawn, bad_back_drawn, off_drawn, story_drawn)
def test_whatever_fails_and_crashes_every_node_is_where_it_is_told_to_be(
    orders: Orders,
    count: int,
    bad: dict[int, Step],
    bad_back: dict[int, Step],
    off: frozenset[int],
    story: list[int | list[bool]],
) -> None:
    here = world(orders, count, bad, bad_back, off)
    here.start()
    for event in story:
        if not here.doing:
            break
        if isinstance(event, int):
            here.end_one(event)
        else:
            here.crash(event)
    here.finish()
    here.told()


@given(orders_drawn, st.integers(1, 12), bad_drawn, story_drawn)
def test_a_crash_changes_nothing_about_the_end(
    orders: Orders, count: int, bad: dict[int, Step], story: list[int | list[bool]]
) -> None:
    straight, crashed = world(orders, count, bad, {}), world(orders, count, bad, {})
    straight.start()
    straight.finish()
    crashed.start()
    for event in story:
        if not crashed.doing:
            break
        if isinstance(event, int):
            crashed.end_one(event)
        else:
            crashed.crash(event)
    crashed.finish()
    assert crashed.rollout.status is straight.rollout.status
    assert [one.root for one in crashed.nodes.values()] == [one.root for one in straight.nodes.values()]
    waiting = [
        [node.slot for node in one.rollout.nodes if node.step in (Step.WAITING, Step.PASSED)]
        for one in (crashed, straight)
    ]
    assert waiting[0] == waiting[1]


@pytest.mark.parametrize("image", [IMAGE, ""])
@pytest.mark.parametrize("bad", FAILS)
@pytest.mark.parametrize("order", [0, 1, 7])
def test_a_crash_at_each_single_point_ends_where_none_would(image: str, bad: Step, order: int) -> None:
    def at(point: int, done: list[bool]) -> World:
        here = world(Orders(image=image, canary=1, wave=3, health="true"), 7, {2: bad}, {})
        here.start()
        while here.doing:
            if point == 0:
                here.crash(done)
            else:
                here.end_one(order)
            point -= 1
        here.told()
        return here

    straight = at(-1, [])
    for point in range(40):
        for done in ([False], [True], [True, False], [False, True, True]):
            crashed = at(point, done)
            assert crashed.rollout.status is straight.rollout.status
            assert [one.root for one in crashed.nodes.values()] == [one.root for one in straight.nodes.values()]
            assert all(one.up for slot, one in crashed.nodes.items() if slot != SlotId(0, 2))
            if image:
                assert crashed.nodes[SlotId(0, 2)].up


@given(orders_drawn, st.integers(1, 12), bad_drawn, st.integers(0, 30))
def test_a_cancel_lets_the_wave_end_and_begins_none(
    orders: Orders, count: int, bad: dict[int, Step], after: int
) -> None:
    here = world(orders, count, bad, {})
    here.start()
    for _ in range(after):
        if here.doing:
            here.end_one(0)
    wave, status = here.rollout.wave, here.rollout.status
    here._go(here.rollout, machine.cancel(here.rollout))
    here.finish()
    here.told()
    assert here.rollout.wave == wave
    if status is Status.RUNNING and any(node.step is Step.WAITING for node in here.rollout.nodes):
        assert here.rollout.status in (Status.CANCELLED, Status.STOPPED)


@given(st.integers(0, 20), st.integers(0, 5), st.integers(1, 6))
def test_waves_hold_all_nodes_once_in_their_order(count: int, canary: int, size: int) -> None:
    cut = machine.waves(slots(count), canary, size)
    assert tuple(slot for wave in cut for slot in wave) == slots(count)
    assert all(len(wave) <= size for wave in cut[1:] if canary)
    assert all(cut)
    assert not canary or not cut or len(cut[0]) == min(canary, count)


def test_nobody_loses_power_before_the_whole_wave_is_prepared() -> None:
    here = world(Orders(image=IMAGE, wave=3), 3, {2: Step.PREPARING}, {})
    here.start()
    here.finish()
    assert Step.CYCLING not in here.began
    assert here.rollout.status is Status.STOPPED
    assert [node.step for node in here.rollout.nodes] == [Step.BACK, Step.BACK, Step.FAILED]


def test_a_bad_canary_stops_all_and_is_back() -> None:
    here = world(Orders(image=IMAGE, canary=1, wave=4, health="true"), 9, {0: Step.BOOTING}, {})
    here.start()
    here.finish()
    here.told()
    assert here.rollout.status is Status.STOPPED
    steps = [node.step for node in here.rollout.nodes]
    assert steps == [Step.BACK, *[Step.WAITING] * 8]
    assert here.nodes[SlotId(0, 0)].runs == "old"
    assert here.nodes[SlotId(0, 0)].up
    assert here.rollout.nodes[0].reason == "it failed"


def test_a_reboot_goes_on_until_so_many_failed_and_nothing_goes_back() -> None:
    here = world(Orders(wave=2, failures=2), 8, {1: Step.BOOTING, 2: Step.CHECKING, 4: Step.CYCLING}, {})
    here.start()
    here.finish()
    assert [node.step for node in here.rollout.nodes] == [
        Step.PASSED, Step.FAILED, Step.PASSED, Step.PASSED, Step.FAILED, Step.PASSED, Step.WAITING, Step.WAITING
    ]  # fmt: skip
    assert here.rollout.status is Status.STOPPED
    assert not set(here.began) & BACKWARD


def test_nodes_that_are_off_are_moved_without_power_and_go_back_so() -> None:
    orders = Orders(image=IMAGE, wave=2)
    now = machine.begin(Rollout(id=1, orders=orders, nodes=machine.planned(orders, slots(2))))
    off, on = slots(2)
    now = machine.take(now, Ended(slot=off, step=Step.PREPARING, off=True, was="1"))
    assert now.nodes[0].step is Step.MOVED
    assert now.nodes[0].moved
    now = machine.take(now, Ended(slot=on, step=Step.PREPARING, was="4"))
    now = machine.take(now, Ended(slot=on, step=Step.CYCLING, error="the port is stuck"))
    assert [node.step for node in now.nodes] == [Step.RETURNING, Step.STOPPING]
    now = machine.take(now, Ended(slot=off, step=Step.RETURNING))
    assert now.nodes[0].step is Step.BACK
    assert not now.nodes[0].moved
    now = machine.take(now, Ended(slot=on, step=Step.STOPPING, error="the port is stuck"))
    assert (now.nodes[1].step, now.nodes[1].moved) == (Step.STUCK, True)
    assert now.nodes[1].reason == "the port is stuck; not back: the port is stuck"
    assert now.status is Status.STOPPED


def test_a_node_without_a_former_root_is_not_cut_in_vain() -> None:
    orders = Orders(image=IMAGE, wave=2, health="true")
    now = machine.begin(Rollout(id=1, orders=orders, nodes=machine.planned(orders, slots(2))))
    for slot in slots(2):
        now = machine.take(now, Ended(slot=slot, step=Step.PREPARING))
    for step in (Step.CYCLING, Step.BOOTING):
        for slot in slots(2):
            now = machine.take(now, Ended(slot=slot, step=step))
    now = machine.take(now, Ended(slot=slots(2)[0], step=Step.CHECKING, error="exit code 1"))
    now = machine.take(now, Ended(slot=slots(2)[1], step=Step.CHECKING))
    assert now.status is Status.STOPPED
    assert [(node.step, node.moved) for node in now.nodes] == [(Step.STUCK, True)] * 2
    assert "it had no root before" in now.nodes[0].reason


def test_a_wave_that_goes_back_comes_on_together() -> None:
    orders = Orders(image=IMAGE, wave=2)
    now = machine.begin(Rollout(id=1, orders=orders, nodes=machine.planned(orders, slots(2))))
    for slot in slots(2):
        now = machine.take(now, Ended(slot=slot, step=Step.PREPARING, was="1"))
    for slot in slots(2):
        now = machine.take(now, Ended(slot=slot, step=Step.CYCLING, error="the port is stuck"))
    for slot in slots(2):
        now = machine.take(now, Ended(slot=slot, step=Step.STOPPING))
    now = machine.take(now, Ended(slot=slots(2)[0], step=Step.RETURNING))
    assert [node.step for node in now.nodes] == [Step.RETURNED, Step.RETURNING]
    before, now = now, machine.take(now, Ended(slot=slots(2)[1], step=Step.RETURNING))
    assert machine.actions(before, now) == (Action(step=Step.STARTING, slots=slots(2)),)


def test_a_node_that_a_crash_left_on_its_old_root_is_not_cut_to_go_back() -> None:
    orders = Orders(image=IMAGE, wave=2)
    now = machine.begin(Rollout(id=1, orders=orders, nodes=machine.planned(orders, slots(2))))
    now = machine.take(now, Ended(slot=slots(2)[0], step=Step.PREPARING, error="no space"))
    now = machine.resume(now, {slots(2)[1]: Found(new=False, old=False, up=False)})
    assert [node.step for node in now.nodes] == [Step.FAILED, Step.SKIPPED]
    assert now.status is Status.STOPPED


def test_what_does_not_fit_changes_nothing() -> None:
    orders = Orders(image=IMAGE)
    now = machine.begin(Rollout(id=1, orders=orders, nodes=machine.planned(orders, slots(2))))
    assert machine.take(now, Ended(slot=slots(2)[0], step=Step.CYCLING)) is now
    assert machine.take(now, Ended(slot=SlotId(9, 0), step=Step.PREPARING)) is now
    assert machine.actions(now, now) == ()
    assert FORWARD.isdisjoint(BACKWARD)
