"""Boards that nobody knows wait, as many as can be kept, over a restart; who is rejected is not shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graped.config.types import Cluster, Config, Device, Stack, Store
from graped.errors import NotFound, RequestError
from graped.operate.enrol import pending
from graped.operate.enrol.ears import Ears
from graped.operate.enrol.pending import Pending
from graped.operate.enrol.seating import Seating, mac_of
from graped.provision.sightings import MacHeard

KNOWN, NEW, OTHER = "02:00:00:00:00:01", "b8:27:eb:00:00:01", "52:54:00:00:00:02"


class Clock:
    now = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - 900.0


class Desk:
    """What a Pending needs of the daemon."""

    def __init__(self, folder: Path) -> None:
        stacks = {0: Stack(devices={0: Device(mac=KNOWN)})}
        config = Config(cluster=Cluster(stacks=stacks), store=Store(state_dir=folder))
        self.clock = Clock()
        self.said: list[str] = []
        journal = SimpleNamespace(append=lambda kind, text, **_: self.said.append(kind))
        house = cast(Any, SimpleNamespace(state=SimpleNamespace(config=config), clock=self.clock, journal=journal))
        self.ears = Ears()
        self.pending = Pending(house, self.ears, Seating(house))

    def hear(self, mac: str, **more: Any) -> None:
        self.clock.now += 1
        self.ears.hear(MacHeard(mac=mac, **more))

    def macs(self, *, all_of_them: bool = False) -> list[str]:
        return [one.mac for one in self.pending.list(all_of_them=all_of_them)]


def test_strangers_wait_and_are_counted_and_known_ones_do_not(tmp_path: Path) -> None:
    async def run() -> None:
        desk = Desk(tmp_path)
        for mac in (NEW, KNOWN, OTHER, NEW):
            desk.hear(mac, vendor="PXEClient")
        desk.hear(NEW, serial="00000001", asked=False)
        assert desk.macs() == [OTHER, NEW]
        one = desk.pending.list()[1]
        assert (one.count, one.serial, one.maker, one.vendor) == (2, "00000001", "Raspberry Pi", "PXEClient")
        assert one.first_seen < one.last_seen
        assert desk.pending.last_heard()[OTHER] == pytest.approx(103.0)

    asyncio.run(run())


def test_a_rejected_one_is_shown_only_when_all_are_and_stays_so_over_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        desk = Desk(tmp_path)
        desk.hear(NEW)
        desk.hear(OTHER)
        assert (await desk.pending.reject(NEW.replace(":", "-").upper(), by="me")).rejected
        again = Desk(tmp_path)
        again.hear(NEW)
        assert (again.macs(), set(again.macs(all_of_them=True))) == ([OTHER], {NEW, OTHER})
        with pytest.raises(NotFound):
            await again.pending.reject(KNOWN, by="me")
        assert desk.said == ["enrol.rejected"]

    asyncio.run(run())


def test_a_loud_network_costs_no_more_than_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "KEPT", 10)

    async def run() -> None:
        desk = Desk(tmp_path)
        desk.hear(NEW)
        await desk.pending.reject(NEW, by="me")
        for number in range(30):
            desk.hear(f"52:54:00:00:01:{number:02x}")
        assert desk.macs() == [f"52:54:00:00:01:{number:02x}" for number in range(20, 30)]
        assert NEW in desk.macs(all_of_them=True)

    asyncio.run(run())


@pytest.mark.parametrize("text", ["[", '{"a": 1}', "[1]", '[{"mac": "x", "what": 1}]'])
def test_a_file_that_somebody_spoiled_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / pending.FILE).write_text(text)

    async def run() -> None:
        assert Desk(tmp_path).macs(all_of_them=True) == []

    asyncio.run(run())


def test_any_notation_of_a_mac_address_is_read() -> None:
    assert mac_of("B827.EB00.0001") == NEW
    with pytest.raises(RequestError):
        mac_of("ff:ff:ff:ff:ff:ff")
