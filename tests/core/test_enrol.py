"""Enrolment on racks of all kinds: the table is right, and nothing is switched that should not be."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from graped.core import enrol
from graped.core.enrolment import (
    UNEXPLAINED,
    Drew,
    Enrolment,
    Facts,
    Happening,
    Heard,
    Limits,
    Passed,
    Powered,
    Refused,
    Step,
    Switch,
    Verdict,
)
from graped.model import SlotId

SLOTS = tuple(SlotId(stack, slot) for stack in range(2) for slot in range(6))
LIMITS = Limits(timeout_s=40.0, settle_s=2.0, grace_s=1.5)
SWITCH_S = 0.2  # from a request to the verified port
LATE_S = 0.6  # a line of the log may be read so late
STEP_S = 0.25
RETRY_S = 9.0  # a board that gets no answer asks again


@dataclass
class Board:
    """A Pi: when it asks for an address after power-on, and when it is up. ``silent``: its cable is out."""

    mac: str
    asks_s: float
    boot_s: float
    silent: bool = False


@dataclass
class Rack:
    """What really stands there. It obeys, tells power and DHCP, and checks what is asked of it."""

    boards: dict[SlotId, Board]
    known: dict[SlotId, str]
    on: set[SlotId] = field(default_factory=set)
    meters: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    now: float = 100.0
    came_on: dict[SlotId, float] = field(default_factory=dict)
    coming: list[tuple[float, Happening]] = field(default_factory=list)  # what will be told, when
    touched: list[tuple[SlotId, bool]] = field(default_factory=list)
    stuck: set[SlotId] = field(default_factory=set)  # cannot be switched

    def switch(self, asked: Switch) -> None:
        for slot in asked.slots:
            self.touched.append((slot, asked.on))
            at = self.now + SWITCH_S
            if slot in self.stuck:
                self.coming.append((at, Refused(slot=slot, why="does not answer", at=at)))
                continue
            self.coming.append((at, Powered(slot=slot, on=asked.on, at=at)))
            if asked.on:
                self.on.add(slot)
                self._boots(slot, at)
            else:
                self.on.discard(slot)
                self.coming = [
                    (when, event)
                    for when, event in self.coming
                    if not (isinstance(event, Heard) and self._is_of(slot, event) and event.at - LATE_S > at)
                ]

    def _is_of(self, slot: SlotId, event: Heard) -> bool:
        board = self.boards.get(slot)
        return board is not None and board.mac == event.mac

    def _boots(self, slot: SlotId, at: float) -> None:
        board = self.boards.get(slot)
        if self.meters:
            self.coming.append((at + 1, Drew(slot=slot, draws=board is not None, at=at + 1)))
        if board is None or board.silent:
            return
        for again in range(8):
            heard = at + board.asks_s + again * RETRY_S + self.dice.uniform(0, LATE_S)
            self.coming.append((heard, Heard(mac=board.mac, at=heard, facts=Facts(vendor="PXEClient"))))

    def run(self, enrolment: Enrolment, asked: tuple[Switch, ...], until_s: float = 3000) -> Enrolment:
        end = self.now + until_s
        while not enrolment.done:
            assert self.now < end, enrolment
            for switch in asked:
                self.switch(switch)
            asked = ()
            self.now += STEP_S
            due = sorted((one for one in self.coming if one[0] <= self.now), key=lambda one: one[0])
            self.coming = [one for one in self.coming if one[0] > self.now]
            for event in [*(event for _, event in due), Passed(at=self.now)]:
                enrolment, more = enrol.step(enrolment, event)
                asked += more
                check(enrolment)
        for switch in asked:
            self.switch(switch)
        return enrolment


def check(enrolment: Enrolment) -> None:
    """What holds at any moment."""
    unsure = [
        slot
        for slot, place in enrolment.places.items()
        if place.step in UNEXPLAINED
        or (place.on and place.step is Step.LEAVING and not (place.verdict and place.verdict.explained))
    ]
    assert len(unsure) <= 1
    clearing = [slot for slot, place in enrolment.places.items() if place.step is Step.CLEARING]
    assert not (unsure and clearing)
    macs = [place.mac for place in enrolment.places.values() if place.mac and place.verdict is not Verdict.SKIPPED]
    assert len(macs) == len(set(macs))


def start(
    rack: Rack, slots: tuple[SlotId, ...] = SLOTS, consent: frozenset[SlotId] = frozenset(SLOTS)
) -> tuple[Enrolment, tuple[Switch, ...]]:
    return enrol.begin(slots, on=set(rack.on), consent=consent, known=rack.known, limits=LIMITS, now=rack.now)


def random_rack(seed: int) -> tuple[Rack, dict[SlotId, Verdict]]:
    """2 x 6 slots: some empty, some known, one moved, one without DHCP; some are on. And what is right."""
    dice = random.Random(seed)
    macs = [f"b8:27:eb:{seed % 256:02x}:00:{n:02x}" for n in range(12)]
    dice.shuffle(macs)
    filled = sorted(dice.sample(SLOTS, dice.randint(4, 11)))
    boards = {
        slot: Board(mac=macs.pop(), asks_s=dice.uniform(0.5, 25), boot_s=0, silent=False) for slot in filled
    }  # fmt: skip
    for board in boards.values():
        board.boot_s = board.asks_s + dice.uniform(6, 40)
    moved, mute = dice.sample(filled, 2)
    boards[mute].silent = True
    known: dict[SlotId, str] = {}
    right = dict.fromkeys(SLOTS, Verdict.EMPTY)
    meters = dice.random() < 0.5
    for slot in filled:
        if slot not in (moved, mute) and dice.random() < 0.5:
            known[slot] = boards[slot].mac
        right[slot] = Verdict.KEPT if slot in known else Verdict.FOUND
    home = dice.choice([slot for slot in SLOTS if slot not in known and slot != moved])
    known[home] = boards[moved].mac
    right[moved] = Verdict.MOVED
    right[mute] = Verdict.SILENT if meters else Verdict.EMPTY
    on = {slot for slot in SLOTS if dice.random() < dice.choice([0, 0.5])}
    return Rack(boards=boards, known=known, on=on, meters=meters, dice=dice), right


@pytest.mark.parametrize("seed", range(200))
def test_the_table_is_right_for_random_racks(seed: int) -> None:
    rack, right = random_rack(seed)
    were_on, began = set(rack.on), rack.now
    ended = rack.run(*start(rack))
    assert {slot: place.verdict for slot, place in ended.places.items()} == right
    for slot, place in ended.places.items():
        board = rack.boards.get(slot)
        assert place.mac == (board.mac if board and not board.silent else None)
        if place.verdict is Verdict.MOVED:
            assert place.home is not None
            assert rack.known[place.home] == place.mac
    boots = sum(
        LIMITS.timeout_s if slot not in rack.boards or rack.boards[slot].silent else rack.boards[slot].boot_s
        for slot in SLOTS
    )
    overhead = len(SLOTS) * (LIMITS.grace_s + 2 * (SWITCH_S + STEP_S))  # of empty slots: off, and quiet
    assert rack.now - began <= boots + overhead
    assert set(ended.to_restore) == were_on - rack.on
    assert rack.on <= were_on  # what was off is off again


def test_running_nodes_are_left_alone_without_consent() -> None:
    for seed in range(60):
        rack, _ = random_rack(seed)
        on = frozenset(rack.on)
        allowed = frozenset(random.Random(seed).sample(sorted(on), len(on) // 2))
        ended = rack.run(*start(rack, consent=allowed))
        assert not {slot for slot, _ in rack.touched} & (on - allowed)
        assert {slot for slot in SLOTS if ended.places[slot].verdict is Verdict.SKIPPED} == on - allowed


def one(boards: dict[SlotId, Board], **more: object) -> Rack:
    return Rack(boards=boards, known=more.pop("known", {}), **more)  # type: ignore[arg-type]


A, B, C = SLOTS[0], SLOTS[1], SLOTS[2]


def board(number: int, asks_s: float = 3) -> Board:
    return Board(mac=f"dc:a6:32:00:00:{number:02x}", asks_s=asks_s, boot_s=20)


def test_two_macs_at_once_are_strange_and_none_is_taken() -> None:
    rack = one({A: board(1)})
    enrolment, asked = start(rack, (A, B))
    rack.coming.append((rack.now + 4, Heard(mac="02:00:00:00:00:77", at=rack.now + 4)))
    ended = rack.run(enrolment, asked)
    assert (ended.places[A].verdict, ended.places[A].mac, len(ended.places[A].macs)) == (Verdict.STRANGE, None, 2)
    assert ended.places[B].verdict is Verdict.EMPTY


def test_the_same_mac_in_two_slots_is_strange_in_both() -> None:
    rack = one({A: board(1), B: board(1)})
    ended = rack.run(*start(rack, (A, B, C)))
    assert [ended.places[slot].verdict for slot in (A, B, C)] == [Verdict.STRANGE, Verdict.STRANGE, Verdict.EMPTY]


def test_a_stranger_that_was_heard_while_a_slot_was_off_is_not_in_it() -> None:
    rack = one({B: board(2)})
    noise = "02:00:00:00:00:99"
    rack.now += 60
    enrolment, asked = enrol.begin(
        (A, B), on=(), consent=(), known={}, limits=LIMITS, now=rack.now,
        off_since={A: 10.0, B: 10.0}, heard_at={noise: rack.now - 5},
    )  # fmt: skip
    for again in range(1, 12):
        rack.coming.append((rack.now + again * 5, Heard(mac=noise, at=rack.now + again * 5)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].verdict for slot in (A, B)] == [Verdict.EMPTY, Verdict.FOUND]
    assert noise in ended.places[A].note
    assert ended.places[B].mac == board(2).mac


def test_a_slot_that_cannot_be_switched_fails_alone() -> None:
    rack = one({A: board(1), C: board(3)}, stuck={B}, on={B})
    ended = rack.run(*start(rack, (A, B, C)))
    assert [ended.places[slot].verdict for slot in (A, B, C)] == [Verdict.FOUND, Verdict.FAILED, Verdict.FOUND]


def test_somebody_elses_switch_ends_it_and_what_was_ours_is_off() -> None:
    rack = one({A: board(1, 10)})
    enrolment, asked = start(rack, (A, B, C))
    rack.coming.append((rack.now + 5, Powered(slot=C, on=True, at=rack.now + 5)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].verdict for slot in (A, B, C)] == [Verdict.FAILED] * 3
    assert "worker-0-2" in ended.stopped
    assert A not in rack.on


def test_the_next_slot_comes_on_while_the_one_before_boots() -> None:
    rack = one({slot: board(n) for n, slot in enumerate((A, B))}, on={A, B}, known={A: board(0).mac})
    ended = rack.run(*start(rack, (A, B)))
    assert rack.touched == [(A, False), (B, False), (A, True), (B, True)]  # none is off again in between
    assert ended.to_restore == ()


def test_a_running_node_that_asks_again_is_not_taken_for_the_slot() -> None:
    rack = one({B: board(2)}, on={A}, known={A: board(1).mac})
    enrolment, asked = start(rack, (A, B), consent=frozenset())
    rack.coming.append((rack.now + 1, Heard(mac=board(1).mac, at=rack.now + 1)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].verdict for slot in (A, B)] == [Verdict.SKIPPED, Verdict.FOUND]


def test_traffic_is_a_weak_sign_and_counts_when_nobody_asked_for_an_address() -> None:
    rack = one({B: board(2)})
    enrolment, asked = start(rack, (A, B, C))
    still = "dc:a6:32:00:00:0a"  # has a fixed address
    for again in range(1, 40):
        rack.coming.append((rack.now + again, Heard(mac=still, at=rack.now + again, dhcp=False)))
    laptop = rack.now + LIMITS.timeout_s + 4  # while the second slot is looked at, whose board asks
    rack.coming.append((laptop, Heard(mac="02:00:00:00:00:55", at=laptop, dhcp=False)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].mac for slot in (A, B, C)] == [still, board(2).mac, None]


def test_where_something_unknown_runs_traffic_does_not_count() -> None:
    rack = one({B: board(2)}, on={A})
    enrolment, asked = start(rack, (B, C), consent=frozenset())
    for again in range(1, 80):
        rack.coming.append((rack.now + again, Heard(mac="02:00:00:00:00:55", at=rack.now + again, dhcp=False)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].verdict for slot in (B, C)] == [Verdict.FOUND, Verdict.EMPTY]


def test_a_known_board_is_kept_by_its_traffic_at_once() -> None:
    rack = one({}, known={A: board(1).mac})
    enrolment, asked = start(rack, (A,))
    rack.coming.append((rack.now + 4, Heard(mac=board(1).mac, at=rack.now + 4, dhcp=False)))
    began = rack.now
    ended = rack.run(enrolment, asked)
    assert ended.places[A].verdict is Verdict.KEPT
    assert rack.now - began < 10


def test_what_is_told_late_of_a_slot_that_went_off_is_not_taken_for_the_next_one() -> None:
    rack = one({})
    enrolment, asked = start(rack, (A, B))
    late = rack.now + LIMITS.timeout_s + 1.6  # about a second after the first slot went off
    rack.coming.append((late, Heard(mac=board(1).mac, at=late)))
    ended = rack.run(enrolment, asked)
    assert [ended.places[slot].verdict for slot in (A, B)] == [Verdict.EMPTY, Verdict.EMPTY]
