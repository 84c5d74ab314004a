"""The steward's rounds over edges that behave: what is served when, and whose fault is whose."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from graped.clock import SystemClock
from graped.config.types import Cluster, Config, Device, Netboot, Stack, Strategy
from graped.core.chore import Chore, ChoreKind, ChoreNode
from graped.core.events import DaemonFault, Event, PowerOnHeld
from graped.core.state import SlotState, State
from graped.errors import InUse, ServerError
from graped.model import Power, SlotId
from graped.netboot.roots.records import RootRecord
from graped.network.links import LinkInfo
from graped.provision.edges import Edges
from graped.provision.ground import Finding
from graped.provision.rivals import Rivals
from graped.provision.steward import Steward

A = SlotId(0, 0)
RIVAL = Finding(message="another DHCP server answers on eth1: 10.77.0.9", hint="Switch it off.")
LINK = LinkInfo(
    name="eth1", index=2, mac="", up=True, carrier=True, addresses=(IPv4Interface("10.77.0.1/24"),),
    carries_default_route=False,
)  # fmt: skip


@dataclass
class Turning:
    """An engine that only keeps what it was told."""

    state: State
    told: list[Event] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    def post(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, PowerOnHeld):
            self.held.append(event.reason)
        elif isinstance(event, DaemonFault):
            self.faults.pop(event.code, None)
            if event.message:
                self.faults[event.code] = event.message

    async def changed(self, revision: int, timeout_s: float) -> State:
        await asyncio.sleep(timeout_s)
        return self.state


@dataclass
class Server:
    """dnsmasq, or an NFS server: up once something was applied; ``broken`` says why it cannot be."""

    up: bool = False
    broken: str = ""
    applied: int = 0
    ensured: int = 0

    def apply(self, _: object) -> list[str]:
        if self.broken:
            raise ServerError(self.broken)
        self.applied += 1
        self.up = True
        return []

    def ensure(self) -> list[str]:
        self.ensured += 1
        return []

    def running(self, _: Path) -> int | None:
        return 4711 if self.up else None

    def rotate(self, _: Path) -> bool:
        return False


@dataclass
class Folder:
    """Images, keys, workspaces, roots: as much of them as a round asks."""

    records: dict[str, RootRecord] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    busy: bool = False

    def recover(self) -> tuple[str, ...]:
        return ()

    def all(self) -> Any:
        return self.records

    def mount_all(self) -> dict[str, str]:
        return {}

    def exports(self, _: str) -> tuple[()]:
        return ()

    def release(self, node: str) -> None:
        self.released.append(node)

    def retire(self, node: str) -> Any:
        if self.busy:
            raise InUse(f"{node} is mounted")
        self.retired.append(node)
        return type("Retired", (), {"busy": ()})()

    def write_known_hosts(self, _: object) -> bool:
        return False


@dataclass
class Neighbourhood:
    """What is on the nodes' network."""

    rival: Finding | None = None
    there: LinkInfo | None = LINK
    trouble: str = ""

    def link(self) -> LinkInfo | None:
        return self.there

    async def look(self) -> Finding | None:
        if self.trouble:
            raise ServerError(self.trouble)
        return self.rival


class World:
    """A steward, and everything that it looks at."""

    def __init__(self, tmp_path: Path, *, image: str | None = None) -> None:
        device = Device(mac="b8:27:eb:00:00:01", image=image)
        net = Netboot(active=True, interface="eth1", address=IPv4Interface("10.77.0.1/24"), folder=tmp_path)
        config = Config(cluster=Cluster(stacks={0: Stack(devices={0: device})}), netboot=net)
        self.engine = Turning(State(config=config, slots={A: SlotState(observed=Power.ON)}))
        self.dnsmasq, self.nfs, self.roots, self.around = Server(), Server(), Folder(), Neighbourhood()
        self.asked: list[tuple[SlotId, ...]] = []
        self.folder = tmp_path

    async def rounds(self, count: int = 1) -> None:
        edges = cast(
            Edges,
            type("Edges", (), {
                "dnsmasq": self.dnsmasq, "nfs": self.nfs, "roots": self.roots, "images": Folder(), "keys": Folder(),
                "workspaces": Folder(), "folder": self.folder,
            })(),
        )  # fmt: skip
        self.steward = Steward(
            edges, self.engine, SystemClock(), cast(Rivals, self.around), lambda slots, _: self.asked.append(slots)
        )
        await self.more(count)

    async def more(self, count: int = 1) -> None:
        for _ in range(count):
            await self.steward._round(self.engine.state)
            await asyncio.sleep(0)  # what threads have told

    def turn(self, power: Power) -> None:
        self.engine.state = replace(self.engine.state, slots={A: SlotState(observed=power)})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_the_first_round_holds_power_ons_until_dhcp_is_up(world: World) -> None:
    run(world.rounds())
    assert world.engine.held == ["the DHCP server of the nodes is not up yet", ""]
    assert world.dnsmasq.up
    assert world.nfs.up


def test_servers_that_ran_before_us_hold_nobody(world: World) -> None:
    world.dnsmasq.up = True
    run(world.rounds())
    assert world.engine.held == [""]


def test_a_rival_at_the_start_keeps_our_dhcp_from_starting_and_nobody_from_being_switched_on(world: World) -> None:
    world.around.rival = RIVAL
    run(world.rounds(2))
    assert not world.dnsmasq.up
    assert world.nfs.up  # only DHCP gets in its way
    assert world.engine.faults["dhcp_rival"] == RIVAL.message
    assert world.engine.held[-1] == ""


def test_a_rival_that_comes_later_is_told_and_holds_power_ons_and_our_dhcp_goes_on(world: World) -> None:
    async def story() -> None:
        await world.rounds()
        world.around.rival = RIVAL
        await world.more()
        assert world.engine.held[-1] == RIVAL.message
        assert world.dnsmasq.applied == 2
        world.around.rival = None
        await world.more()
        assert world.engine.held[-1] == ""
        assert "dhcp_rival" not in world.engine.faults

    run(story())


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (None, "no interface eth1"),
        (replace(LINK, carries_default_route=True), "carries the default route"),
        (replace(LINK, up=False), "is down"),
        (replace(LINK, addresses=()), "has not the address 10.77.0.1/24"),
    ],
)
def test_an_interface_that_is_not_ours_gets_no_dhcp(world: World, link: LinkInfo | None, words: str) -> None:
    world.around.there = link
    run(world.rounds())
    assert words in world.engine.faults["netboot.interface"]
    assert not world.dnsmasq.up
    assert world.engine.held[-1] == ""


def test_a_network_that_cannot_be_looked_at_is_told_and_not_served(world: World) -> None:
    world.around.trouble = "cannot look for other DHCP servers on eth1"
    run(world.rounds())
    assert world.engine.faults["dhcp_rival"] == "cannot look for other DHCP servers on eth1"
    assert not world.dnsmasq.up


def test_a_server_that_fails_is_its_own_fault_and_heals(world: World) -> None:
    async def story() -> None:
        world.nfs.broken = "rpc.mountd does not run"
        await world.rounds()
        assert world.engine.faults == {"nfs": "rpc.mountd does not run"}
        assert world.dnsmasq.up
        world.nfs.broken = ""
        await world.more()
        assert world.engine.faults == {}
        await world.more()
        assert (world.nfs.applied, world.nfs.ensured) == (1, 1)  # the same exports again: only seen to

    run(story())


def test_a_root_that_is_missing_is_asked_for_once(tmp_path: Path) -> None:
    world = World(tmp_path, image="bookworm")
    run(world.rounds(3))
    assert world.asked == [(A,)]


def test_a_root_that_somebody_makes_already_is_not_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path, image="bookworm")
    chore = Chore(id=1, kind=ChoreKind.NODE_SET, subject="worker-0-0", by="me", asked=0.0, nodes={A: ChoreNode()})
    world.engine.state = replace(world.engine.state, chores={1: chore})
    run(world.rounds())
    assert world.asked == []


def test_old_roots_go_when_the_node_is_off_and_stay_while_they_are_in_use(world: World) -> None:
    record = RootRecord(
        node="worker-0-0",
        image="a@000000000001",
        strategy=Strategy.COPY,
        generation="2",
        made=0.0,
        serving=("1",),
        next=3,
    )

    async def story() -> None:
        world.roots.records = {"worker-0-0": record}
        await world.rounds()
        assert world.roots.released == []
        world.turn(Power.OFF)
        world.roots.busy = True
        await world.more()
        assert world.roots.released == ["worker-0-0"]
        assert world.roots.retired == []
        assert "netboot.retire" in world.engine.faults
        world.roots.busy = False
        await world.more()
        assert world.roots.retired == ["worker-0-0"]
        assert world.roots.released == ["worker-0-0"]  # told once
        assert "netboot.retire" not in world.engine.faults

    run(story())
