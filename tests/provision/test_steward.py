"""The steward's rounds over edges that behave: what is served when, and whose fault is whose."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from graped.clock import SystemClock
from graped.config.types import Cluster, Config, Device, Netboot, Stack, Strategy, Supervisor
from graped.core.chore import Chore, ChoreKind, ChoreNode
from graped.core.events import DaemonFault, Event, PowerOnHeld
from graped.core.state import SlotState, State
from graped.errors import InUse, NotFound, ServerError
from graped.model import Power, SlotId
from graped.netboot.plan import plan
from graped.netboot.roots.records import BadRecord, RootRecord
from graped.netboot.roots.view import Served
from graped.netboot.roots.volumes import file_system_bytes, volume_folder
from graped.network.links import LinkInfo
from graped.provision import steward
from graped.provision.edges import Edges
from graped.provision.ground import Finding
from graped.provision.rivals import Rivals
from graped.provision.steward import Steward
from graped.runner import SubprocessRunner

A, B = SlotId(0, 0), SlotId(0, 1)
RECORD = RootRecord(node="worker-0-0", image="a@000000000001", strategy=Strategy.COPY, generation="1", made=0.0, next=2)
ROOTS = ["worker-0-0/1", "worker-0-1/1"]
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
    has: Any = None  # what was applied last
    waiting: Collection[str] = ()  # who got no answer then

    def apply(self, what: Any, waiting: Collection[str] = ()) -> list[str]:
        if self.broken:
            raise ServerError(self.broken)
        self.applied += 1
        self.up = True
        self.has, self.waiting = what, waiting
        return []

    def ensure(self) -> list[str]:
        if self.broken:
            raise ServerError(self.broken)
        self.ensured += 1
        return []

    @property
    def paths(self) -> list[str]:
        """Name the folders that an NFS server exports, by their last two names."""
        return ["/".join(export.path.parts[-2:]) for export in self.has]

    def running(self, _: Path) -> int | None:
        return 4711 if self.up else None

    def stop(self, _: Path | None = None) -> None:
        self.up = False

    def rotate(self, _: Path) -> bool:
        return False


@dataclass
class Keeper:
    """Who keeps servers running. ``lacking``: what it is without."""

    lacking: str = ""
    asked: int = 0

    def check(self, _: object) -> None:
        self.asked += 1
        if self.lacking:
            raise ServerError(self.lacking)


@dataclass
class Folder:
    """Images, keys, workspaces, roots: as much of them as a round asks."""

    records: dict[str, RootRecord] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    busy: bool = False
    served: dict[str, tuple[Served, ...]] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)  # nodes whose record cannot be read

    def recover(self) -> tuple[str, ...]:
        return ()

    def all(self) -> Any:
        return {node: record for node, record in self.records.items() if node not in self.torn}

    def find(self, ref: str) -> Any:
        raise NotFound(f"no image {ref}")

    def mount_all(self) -> dict[str, str]:
        return dict.fromkeys(self.torn, "root.json cannot be read as a record")

    def exports(self, node: str) -> tuple[Served, ...]:
        if node in self.torn:
            raise BadRecord("root.json cannot be read as a record")
        return self.standing(node)

    def standing(self, node: str) -> tuple[Served, ...]:
        return self.served.get(node, ())

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
        devices = {0: Device(mac="b8:27:eb:00:00:01", image=image), 1: Device(mac="b8:27:eb:00:00:02")}
        net = Netboot(active=True, interface="eth1", address=IPv4Interface("10.77.0.1/24"), folder=tmp_path)
        config = Config(cluster=Cluster(stacks={0: Stack(devices=devices)}), netboot=net)
        self.engine = Turning(State(config=config, slots={A: SlotState(observed=Power.ON), B: SlotState()}))
        self.dnsmasq, self.nfs, self.roots, self.around = Server(), Server(), Folder(), Neighbourhood()
        self.former: Server | None = None
        self.keeper = Keeper()
        self.asked: list[tuple[SlotId, ...]] = []
        self.folder = tmp_path

    async def rounds(self, count: int = 1) -> None:
        edges = cast(
            Edges,
            type("Edges", (), {
                "dnsmasq": self.dnsmasq, "nfs": self.nfs, "roots": self.roots, "images": Folder(), "keys": Folder(),
                "workspaces": Folder(), "folder": self.folder, "former_nfs": self.former, "runner": SubprocessRunner(),
                "servers": self.keeper, "units": frozenset(), "supervisor": Supervisor.PROCESS,
            })(),
        )  # fmt: skip
        self.steward = Steward(
            edges, self.engine, SystemClock(), cast(Rivals, self.around), lambda slots, _: self.asked.append(slots)
        )
        self.steward.hold()
        await self.steward._begin(plan(self.engine.state.config))
        await self.more(count)

    async def more(self, count: int = 1) -> None:
        for _ in range(count):
            await self.steward._round(self.engine.state)
            await asyncio.sleep(0)  # what threads have told

    def turn(self, power: Power) -> None:
        self.engine.state = replace(self.engine.state, slots={A: SlotState(observed=power), B: SlotState()})

    def give_roots(self) -> None:
        """Let both nodes have a root of one generation, on the disk and in the records."""
        for node in ("worker-0-0", "worker-0-1"):
            at = self.folder / "roots" / node / "1"
            at.mkdir(parents=True)
            self.roots.records[node] = replace(RECORD, node=node)
            self.roots.served[node] = (Served(path=at, read_only=False, generation="1"),)

    def want_volume(self, gigabytes: float) -> None:
        """Set how large the volume of the first node is to be."""
        config = self.engine.state.config
        devices = dict(config.cluster.stacks[0].devices)
        devices[0] = replace(devices[0], docker_gb=gigabytes)
        config = replace(config, cluster=Cluster(stacks={0: Stack(devices=devices)}))
        self.engine.state = replace(self.engine.state, config=config)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_the_first_round_holds_power_ons_until_dhcp_is_up(world: World) -> None:
    run(world.rounds())
    assert world.engine.held == ["the servers of the nodes are not up yet", ""]
    assert world.dnsmasq.up
    assert world.nfs.up


def test_servers_that_ran_before_us_hold_nobody(world: World) -> None:
    world.dnsmasq.up = True
    run(world.rounds())
    assert world.engine.held == ["the servers of the nodes are not up yet", "", ""]  # let go before anything is served


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


def test_units_that_are_not_there_are_told_until_they_are(world: World) -> None:
    async def story() -> None:
        world.keeper.lacking = "systemd has no unit grape-nfs.service"
        await world.rounds()
        assert world.engine.faults == {"netboot.supervisor": "systemd has no unit grape-nfs.service"}
        world.keeper.lacking = ""
        await world.more(3)
        assert world.engine.faults == {}
        assert world.keeper.asked == 2  # then it is not asked any more

    run(story())


def test_a_server_that_died_and_refuses_when_it_starts_again_is_applied_to_until_it_takes_all(world: World) -> None:
    async def story() -> None:
        await world.rounds()
        world.nfs.broken = "NFS-Ganesha refuses an export"
        await world.more(2)
        assert world.engine.faults == {"nfs": "NFS-Ganesha refuses an export"}
        world.nfs.broken = ""
        await world.more()
        assert (world.nfs.applied, world.nfs.ensured) == (2, 0)
        assert world.engine.faults == {}

    run(story())


def test_a_record_that_is_torn_pulls_nothing_away_and_holds_up_no_other(world: World) -> None:
    async def story() -> None:
        world.give_roots()
        boots = world.folder / "tftp" / "b8-27-eb-00-00-01"
        boots.mkdir(parents=True)
        world.roots.torn = {"worker-0-0"}
        await world.rounds()
        assert world.nfs.paths == ROOTS
        assert world.engine.faults["netboot.exports"] == "worker-0-0: root.json cannot be read as a record"
        assert "nfs" not in world.engine.faults
        assert boots.is_dir()
        world.roots.torn = set()
        await world.more()
        assert world.nfs.paths == ROOTS
        assert "netboot.exports" not in world.engine.faults

    run(story())


def test_a_folder_that_is_not_there_is_told_and_not_exported(world: World) -> None:
    async def story() -> None:
        world.give_roots()
        (world.folder / "roots" / ROOTS[0]).rmdir()
        await world.rounds()
        assert world.nfs.paths == ROOTS[1:]
        assert world.engine.faults["netboot.exports"].endswith(f"{ROOTS[0]} is to be exported but does not exist")
        assert "nfs" not in world.engine.faults

    run(story())


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs e2fsprogs")
def test_a_volume_is_made_before_it_is_exported_and_grows_when_the_node_rests(world: World) -> None:
    image = volume_folder(world.folder, "worker-0-0") / "docker.img"

    def size() -> int | None:
        return file_system_bytes(image.read_bytes()[:2048])

    async def story() -> None:
        world.give_roots()
        world.want_volume(0.05)
        await world.rounds()
        assert world.nfs.paths == [*ROOTS, "volumes/worker-0-0"]
        assert "netboot.volumes" not in world.engine.faults
        before = size()
        world.want_volume(0.08)
        await world.more()
        assert "has to grow, which needs the node off" in world.engine.faults["netboot.volumes"]
        assert (size(), world.nfs.paths) == (before, [*ROOTS, "volumes/worker-0-0"])
        coming = SlotState(observed=Power.OFF, desired=Power.ON)
        world.engine.state = replace(world.engine.state, slots={A: coming, B: SlotState()})
        await world.more()
        assert size() == before
        world.turn(Power.OFF)
        await world.more()
        assert size() == 80_000_000 // 4096 * 4096
        assert "netboot.volumes" not in world.engine.faults

    run(story())


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs e2fsprogs")
def test_a_volume_that_cannot_be_made_is_a_fault_of_its_own_and_is_not_exported(world: World) -> None:
    async def story() -> None:
        world.give_roots()
        world.want_volume(0.05)
        (world.folder / "volumes").write_text("no folder")
        await world.rounds()
        assert world.nfs.paths == ROOTS
        assert world.engine.faults["netboot.volumes"].startswith("worker-0-0: ")
        assert "nfs" not in world.engine.faults
        (world.folder / "volumes").unlink()
        await world.more()
        assert world.nfs.paths == [*ROOTS, "volumes/worker-0-0"]
        assert "netboot.volumes" not in world.engine.faults
        assert "netboot.exports" not in world.engine.faults

    run(story())


def test_a_volume_that_some_work_makes_is_left_to_it(world: World) -> None:
    world.give_roots()
    world.want_volume(0.05)
    chore = Chore(id=1, kind=ChoreKind.NODE_SET, subject="worker-0-0", by="me", asked=0.0, nodes={A: ChoreNode()})
    world.engine.state = replace(world.engine.state, chores={1: chore})
    run(world.rounds())
    assert world.nfs.paths == ROOTS
    assert not (world.folder / "volumes").exists()


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


def test_a_node_is_answered_once_its_first_root_is_there_or_could_not_be_made(tmp_path: Path) -> None:
    world = World(tmp_path, image="a")
    chore = Chore(id=1, kind=ChoreKind.NODE_SET, subject="worker-0-0", by="me", asked=0.0, nodes={A: ChoreNode()})
    run(world.rounds())
    assert set(world.dnsmasq.waiting) == {"worker-0-0"}  # the other one is to have no root
    world.engine.state = replace(world.engine.state, chores={1: chore})
    run(world.more())
    assert set(world.dnsmasq.waiting) == {"worker-0-0"}
    world.give_roots()
    run(world.more())  # other work may go on
    assert set(world.dnsmasq.waiting) == set()
    world.roots.records.clear()
    world.engine.state = replace(world.engine.state, chores={})
    run(world.more())  # its boot tells what it lacks
    assert set(world.dnsmasq.waiting) == set()


def test_a_node_that_an_enrolment_has_just_found_gets_its_root_before_that_ends(tmp_path: Path) -> None:
    world = World(tmp_path, image="bookworm")
    chore = Chore(id=1, kind=ChoreKind.NODE_ENROL, subject="6 slots", by="me", asked=0.0, nodes={A: ChoreNode()})
    world.engine.state = replace(world.engine.state, chores={1: chore})
    run(world.rounds())
    assert world.asked == [(A,)]


def test_old_roots_go_when_the_node_is_off_and_stay_while_they_are_in_use(world: World) -> None:
    record = replace(RECORD, generation="2", serving=("1",), next=3)

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


def test_dhcp_ends_and_roots_stay_exported_when_netbooting_is_switched_off(world: World) -> None:
    async def story() -> None:
        await world.rounds()
        config = world.engine.state.config
        off = replace(config, netboot=replace(config.netboot, active=False))
        world.engine.state = replace(world.engine.state, config=off)
        await world.more()
        assert not world.dnsmasq.up
        assert world.nfs.up

    run(story())


def test_the_nfs_server_of_a_former_configuration_gives_up_its_port(world: World) -> None:
    world.former = Server(up=True)

    async def story() -> None:
        await world.rounds(0)
        world.steward._recover()

    run(story())
    assert not world.former.up


def test_a_bug_in_a_round_holds_nobodys_power(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        await world.rounds(0)

        async def broken(_: State) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(world.steward, "_round", broken)
        with pytest.raises(RuntimeError):
            await world.steward.run()

    run(story())
    assert world.engine.held[0] == "the servers of the nodes are not up yet"
    assert world.engine.held[-1] == ""


def test_servers_that_do_not_come_up_hold_nobody_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steward, "HOLD_S", 0.05)

    async def story() -> None:
        await world.rounds(0)  # held, and no round ends
        await asyncio.sleep(0.2)

    run(story())
    assert world.engine.held == ["the servers of the nodes are not up yet", ""]
