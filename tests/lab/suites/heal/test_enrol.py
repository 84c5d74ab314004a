"""Nobody types MAC addresses: boards ask for an address, one slot at a time, and a real one then boots."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest

from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.cluster import Cluster
from tests.lab.machines import Pi
from tests.lab.network import Network
from tests.lab.rack import Slot
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ward import QUICK, name_of, pi

ENROLLED: Final = "config.d/50-enrolled.toml"
# Slot 2 is empty; the board that the configuration has there sits in slot 3. Slot 5 is not enrolled.
BOARDS: Final = {
    (0, 0): Board(rom=Rom.PI4, mac="dc:a6:32:00:00:a0", serial="100000a0"),
    (0, 1): Board(rom=Rom.PI3B, mac="b8:27:eb:00:00:a1", serial="200000a1"),
    (0, 3): Board(rom=Rom.PI5, mac="d8:3a:dd:00:00:a3", serial="300000a3"),
    (0, 4): Board(rom=Rom.PI3BPLUS, mac="b8:27:eb:00:00:a4", serial="400000a4"),
}
REAL: Final = (0, 0)
BROKEN: Final = (0, 1)  # in the end
EMPTY: Final = (0, 2)
MOVED: Final = (0, 3)
KEPT: Final = (0, 4)
LATE: Final = (0, 5)  # somebody puts a board there afterwards
LATER: Final = Board(rom=Rom.PI4, mac="e4:5f:01:00:00:a5", serial="500000a5")
SPARE: Final = Board(rom=Rom.PI4, mac="e4:5f:01:00:00:a6", serial="600000a6")
ALL: Final = "worker-0-[0-4]"
WAIT_S: Final = "12"  # for a slot in which nobody asks
UP_S: Final = 240.0
SOON_S: Final = 60.0

Record = Callable[[str, object], None]


@dataclass
class Seat:
    """A slot of the rack, with the board that is in it at the moment."""

    board: Pi

    def power_on(self) -> None:
        self.board.power_on()

    def power_cut(self) -> None:
        self.board.power_cut()


class EnrolRack(Cluster):
    """A rack that knows two of its boards, one of them in the wrong slot; an image for whoever comes."""

    def __init__(self, run: Run) -> None:
        network = Network(run)
        super().__init__(run, network, {EMPTY: BOARDS[MOVED].mac, KEPT: BOARDS[KEPT].mac}, QUICK)
        self.loop = Loop()
        run.at_end(self.loop.close)
        boards = {**BOARDS, LATE: LATER}
        self.seats = {slot: Seat(self.rom(boards[slot], name_of(slot))) for slot in boards if slot != REAL}
        self.seats[REAL] = Seat(pi(network, self.loop, BOARDS[REAL], REAL))

    def rom(self, board: Board, name: str) -> Pi:
        """Give a board that is a boot ROM, and asks for an address once more after its last file."""
        return Pi(self.network, self.loop, board, name)

    def wait_at(self, stage: str, *slots: Slot) -> None:
        """Wait until the nodes in these slots are at a stage."""
        self.until(lambda: all(self.stages().get(name_of(slot)) == stage for slot in slots), UP_S, f"{slots}: {stage}")


@pytest.fixture(scope="module")
def ward(shift: Run) -> EnrolRack:
    rack = EnrolRack(shift)
    rack.start(rack.seats)
    rack.image(root("node"), "pi")
    more = rack.rack.room / "config.d"
    more.mkdir()
    (more / "10-image.toml").write_text('[netboot]\nimage = "pi"\n')
    rack.cli("config", "reload")
    return rack


def boot_s(ward: EnrolRack, name: str) -> float:
    """Tell how long a node took from its power to the last stage that it has reached."""
    timeline = ward.node(name)["timeline"]
    first, last = (datetime.fromisoformat(timeline[at]["at"]) for at in (0, -1))
    return (last - first).total_seconds()


def by_name(report: Any) -> dict[str, Any]:
    """Give what an enrolment says of each slot."""
    return {slot["name"]: slot for slot in report["slots"]}


def test_a_rack_is_enrolled_and_what_sits_in_it_boots(ward: EnrolRack, record_property: Record) -> None:
    tried = ward.json("enrol", name_of(REAL), "--dry-run", "--yes", "--timeout", WAIT_S)
    assert (by_name(tried)[name_of(REAL)]["mac"], tried["written"]) == (BOARDS[REAL].mac, False)
    assert not (ward.rack.room / ENROLLED).exists()

    started = time.monotonic()
    report = ward.json("enrol", ALL, "--yes", "--timeout", WAIT_S, "--accept-moves")
    took_s = time.monotonic() - started
    slots = by_name(report)
    assert {name: (slot["verdict"], slot["mac"]) for name, slot in slots.items()} == {
        name_of(REAL): ("found", BOARDS[REAL].mac),
        name_of((0, 1)): ("found", BOARDS[0, 1].mac),
        name_of(EMPTY): ("empty", None),
        name_of(MOVED): ("moved", BOARDS[MOVED].mac),
        name_of(KEPT): ("kept", BOARDS[KEPT].mac),
    }
    assert slots[name_of(MOVED)]["home"] == name_of(EMPTY)
    assert {name: slot["model"] for name, slot in slots.items()} == {
        name_of(REAL): "4", name_of((0, 1)): "3b", name_of(EMPTY): None, name_of(MOVED): "5", name_of(KEPT): "3b+",
    }  # fmt: skip
    written = tomllib.loads((ward.rack.room / ENROLLED).read_text())["cluster"]["stacks"]["0"]["devices"]
    assert written["0"]["mac"] == BOARDS[REAL].mac
    assert written["3"]["mac"] == BOARDS[MOVED].mac
    assert not written["2"]["mac"]

    # All were off, and are off again; now each boots by what was found.
    ward.until(lambda: not any(ward.rack.on(slot) for slot in BOARDS), SOON_S, "all are off again")
    ward.until(lambda: all(ward.node(name_of(slot))["root"] for slot in BOARDS), SOON_S, "each has a root")
    ward.cli("power", "on", ",".join(map(name_of, BOARDS)), "--wait")
    ward.wait_at("kernel", *(slot for slot in BOARDS if slot != REAL))
    ward.wait_at("up", REAL)
    assert ward.login(REAL).do("hostname") == f"{name_of(REAL)}\n"
    sum_s = sum(boot_s(ward, name_of(slot)) for slot in BOARDS)
    assert ward.rack.trouble() == []
    record_property(
        "summary",
        f"heal: five slots enrolled in {took_s:.1f} s, {slots[name_of(EMPTY)]['took_s']:.1f} s of that for an empty "
        f"one; the boot times of its four nodes together are {sum_s:.1f} s",
    )


def test_what_nobody_knows_waits_for_a_word(ward: EnrolRack) -> None:
    ward.cli("power", "on", name_of(LATE), "--wait")
    ward.until(lambda: LATER.mac in [one["mac"] for one in ward.json("node", "pending")], SOON_S, "it waits")
    ward.cli("node", "approve", LATER.mac, name_of(LATE))
    ward.wait_at("kernel", LATE)  # a Pi 4 asks until it is answered
    assert LATER.mac not in [one["mac"] for one in ward.json("node", "pending")]


def test_a_replaced_board_keeps_name_image_and_address(ward: EnrolRack) -> None:
    before = ward.node(name_of(BROKEN))
    ward.cli("power", "off", name_of(BROKEN), "--wait", "--force", "--yes")
    ward.until(lambda: ward.rack.cut(BROKEN), SOON_S, "it can be taken out")
    ward.seats[BROKEN].board = ward.rom(SPARE, "spare")
    ward.cli("node", "replace", name_of(BROKEN), "--mac", SPARE.mac, "--yes")
    ward.cli("power", "on", name_of(BROKEN), "--wait")
    ward.wait_at("kernel", BROKEN)
    after = ward.node(name_of(BROKEN))
    assert after["mac"] == SPARE.mac
    same = ("name", "image", "address")
    assert [after[word] for word in same] == [before[word] for word in same]
    assert ward.rack.trouble() == []
