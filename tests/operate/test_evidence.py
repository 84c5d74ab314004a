"""The ladder: what each rung says, by tables; real SSH servers in every state; many nodes at once, in bounded time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.core.effects import LookAtNode
from graped.core.events import EvidenceSeen, SshSeen
from graped.errors import PingForbidden
from graped.model import SlotId
from graped.network.neighbours import Arp, Neighbour, Surroundings
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from graped.network.ssh_probe import Found, Probe
from graped.operate.evidence import rungs
from graped.operate.evidence.ladder import Evidence
from graped.operate.evidence.pinging import Pings
from graped.operate.evidence.rungs import Met, judged, link_of, meet_by_ssh, our_own
from tests.network.sshd import free_port, server
from tests.operate.yard import NOWHERE, A, B, C, Yard, address, machine, play, running

NODE = IPv4Address("10.77.0.10")
ALL_S = 5.0  # the whole ladder of one node
BUSY_S = 6.0


def around(arp: Arp | None = None, *down: str) -> Surroundings:
    known = {} if arp is None else {NODE: Neighbour(address=NODE, interface="eth1", mac="", arp=arp)}
    return Surroundings(neighbours=known, down=frozenset(down))


# --- link ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "alive", "link"),
    [
        (around(Arp.ANSWERS), True, True),
        (around(), True, True),  # beyond a router
        (around(Arp.SILENT), True, True),  # what answers has a link, whatever a table says
        (around(Arp.ANSWERS), False, None),  # the kernel believes it for half a minute
        (around(Arp.SEEN), False, None),  # it may have gone since
        (around(Arp.ASKED), False, False),
        (around(Arp.SILENT), False, False),
        (around(), False, None),
    ],
)
def test_a_link(seen: Surroundings, alive: bool, link: bool | None) -> None:
    assert link_of(NODE, seen, None, alive=alive)[0] is link
    for asked in (True, False):
        assert link_of(NODE, seen, asked, alive=alive)[0] is (alive or asked), "what was asked just now counts"


@pytest.mark.parametrize(
    ("seen", "ours", "lost"),
    [
        (around(Arp.SILENT, "eth1"), None, "eth1"),  # the way to it is known by its entry
        (around(None, "eth1"), "eth1", "eth1"),
        (around(None, "eth1"), None, ""),
        (around(Arp.SILENT, "eth0"), "eth1", ""),
        (around(Arp.SILENT), "eth1", ""),
    ],
)
def test_our_own_link(seen: Surroundings, ours: str | None, lost: str) -> None:
    assert our_own(NODE, seen, ours) == lost


# --- SSH -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", list(Found))
@pytest.mark.parametrize("pinned", [True, False])
def test_each_end_of_a_probe_is_a_rung(found: Found, pinned: bool) -> None:
    met = judged(Probe(found=found, error="why"), pinned=pinned)
    assert met.command is None, "nobody logged in"
    assert met.text
    assert (met.ssh is SshSeen.WRONG_KEY) is (found in (Found.WRONG_KEY, Found.OTHER_KEY))
    assert met.ssh is not SshSeen.TRUSTED


def bound_s() -> float:
    return rungs.PROBE_S + rungs.LOGIN_S + rungs.COMMAND_S


def bounded(at: Endpoint, key: Path) -> Met:
    began = time.monotonic()
    met = meet_by_ssh(at, key)
    assert time.monotonic() - began < bound_s() + BUSY_S
    return met


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an SSH server answer in time, also on a busy machine."""
    for name, seconds in (("PROBE_S", 8.0), ("LOGIN_S", 8.0), ("COMMAND_S", 3.0)):
        monkeypatch.setattr(rungs, name, seconds)


def test_the_whole_ladder_has_a_bound() -> None:
    assert bound_s() <= ALL_S


@pytest.mark.usefixtures("patient")
def test_a_node_that_is_well_climbs_to_the_top(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        assert bounded(node.at, node.key) == Met(
            ssh=SshSeen.TRUSTED, command=True, text="SSH lets us in, a command ends well"
        )


@pytest.mark.usefixtures("patient")
def test_a_command_that_hangs_and_one_that_fails(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        (node.folder / "bin" / "sh").unlink()
        node.program("sh", "exec /bin/sleep 30")
        met = bounded(node.at, node.key)
        assert (met.ssh, met.command, met.text) == (SshSeen.TRUSTED, False, "SSH lets us in, a command does not end")
        node.program("sh", "echo 'Input/output error' >&2", "exit 126")
        met = bounded(node.at, node.key)
        assert (met.ssh, met.command) == (SshSeen.TRUSTED, False)
        assert met.text.endswith("true ended with code 126: Input/output error")


@pytest.mark.usefixtures("patient")
def test_who_does_not_let_us_in_is_not_sick(tmp_path: Path) -> None:
    with machine(tmp_path, lets_in=False) as node:
        met = bounded(node.at, node.key)
        assert (met.ssh, met.command) == (SshSeen.TRUSTED, None)


@pytest.mark.usefixtures("patient")
def test_a_stranger_gets_no_login(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        others = KeyRing(tmp_path / "others")
        others.host_keys("other")
        met = bounded(replace(node.at, host_keys=others.public_keys("other")), node.key)
        assert (met.ssh, met.command) == (SshSeen.WRONG_KEY, None)
        met = bounded(replace(node.at, host_keys=()), node.key)
        assert (met.ssh, met.command) == (SshSeen.BANNER, None)


def test_an_sshd_that_hangs_says_nothing(tmp_path: Path) -> None:
    key = KeyRing(tmp_path / "keys").cluster_key()
    at = Endpoint(name="worker-0-0", address="127.0.0.1", port=0, host_keys=("ssh-ed25519 AAAA",))
    hang = threading.Event()
    with server(lambda _: [None, hang.wait(30)][0]) as port:
        met = bounded(replace(at, port=port), key)
        hang.set()
    assert (met.ssh, met.text) == (SshSeen.SILENT, "SSH connects and says nothing")

    def turn_away(connection: socket.socket) -> None:
        connection.sendall(b"Not allowed at this time\r\n")

    with server(turn_away) as port:
        assert bounded(replace(at, port=port), key).ssh is SshSeen.BANNER, "it is alive"
    assert bounded(replace(at, port=free_port()), key).ssh is SshSeen.REFUSED


# --- many at once --------------------------------------------------------------------------------------------


class Pinged:
    """Pings that are written down: ``alive`` answer."""

    def __init__(self, *alive: SlotId, forbidden: bool = False) -> None:
        self.alive = {IPv4Address(address(slot)) for slot in alive}
        self.forbidden = forbidden
        self.calls: list[set[IPv4Address]] = []

    def __call__(
        self, addresses: Iterable[IPv4Address], *, timeout_s: float = 0, tries: int = 0, pause_s: float = 0
    ) -> Mapping[IPv4Address, float | None]:
        if self.forbidden:
            raise PingForbidden("the kernel does not let this process send pings")
        self.calls.append(set(addresses))
        return {one: 0.0004 if one in self.alive else None for one in self.calls[-1]}


GONE = Met(ssh=SshSeen.NONE, command=None, text="no SSH: no answer")
WELL = Met(ssh=SshSeen.TRUSTED, command=True, text="SSH lets us in, a command ends well")


def looking(
    folder: Path, pinged: Pinged, meet: Callable[[Endpoint, Path], Met], story: Callable[[Yard, Evidence], object],
    down: frozenset[str] = frozenset(),
) -> None:  # fmt: skip
    async def begin(yard: Yard) -> None:
        silent = Surroundings(
            neighbours={
                IPv4Address(address(slot)): Neighbour(
                    address=IPv4Address(address(slot)), interface="eth1", mac="", arp=Arp.SILENT
                )
                for slot in (A, B, C)
            },
            down=down,
        )
        evidence = Evidence(yard.house, Pings(yard.engine.post, pinged), around=lambda: silent, meet=meet)
        with running(evidence.run):
            await story(yard, evidence)  # type: ignore[misc]

    play(folder, begin)


def test_nodes_are_looked_at_side_by_side_and_share_a_ping(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def meet(at: Endpoint, key: Path) -> Met:
        both.wait(15)  # both at the same time, or nobody comes on
        return WELL if at.name == "worker-0-0" else GONE

    pinged = Pinged(A)

    async def story(yard: Yard, evidence: Evidence) -> None:
        found = await evidence.look([A, B, NOWHERE, A])
        assert list(found) == [A, B, NOWHERE]
        well, dead, nowhere = found.values()
        assert (well.link, well.ping, well.ssh, well.command) == (True, True, SshSeen.TRUSTED, True)
        assert well.text == "link up, ping answers in 0.4 ms, SSH lets us in, a command ends well"
        assert (dead.link, dead.ping, dead.ssh, dead.command) == (False, False, SshSeen.NONE, None)
        assert dead.text == "no link: ARP stays silent, ping stays silent, no SSH: no answer"
        assert (nowhere.link, nowhere.ping, nowhere.ssh, nowhere.text) == (None, None, None, "it has no address")
        assert len(pinged.calls) == 1

    looking(tmp_path, pinged, meet, story)


def test_what_the_core_asks_comes_back_as_events_and_together_in_one_look(tmp_path: Path) -> None:
    pinged, seen = Pinged(A, B), []

    async def story(yard: Yard, evidence: Evidence) -> None:
        post = yard.engine.post

        def take(event: object) -> None:
            seen.append(event)
            post(event)  # type: ignore[arg-type]

        yard.engine.post = take  # type: ignore[method-assign]
        for slot in (A, B, A):
            evidence.ask(LookAtNode(slot=slot))
        await yard.until(lambda: len([one for one in seen if isinstance(one, EvidenceSeen)]) == 2)
        assert len(pinged.calls) == 1
        evidence.ask(LookAtNode(slot=A))
        await yard.until(lambda: len(pinged.calls) == 2)

    looking(tmp_path, pinged, lambda at, key: WELL, story)


def test_a_bug_in_a_look_is_still_an_answer(tmp_path: Path) -> None:
    seen: list[EvidenceSeen] = []

    def broken(at: Endpoint, key: Path) -> Met:
        raise ZeroDivisionError

    async def story(yard: Yard, evidence: Evidence) -> None:
        yard.engine.post = seen.append  # type: ignore[method-assign, assignment]
        evidence.ask(LookAtNode(slot=A))
        await yard.until(lambda: bool(seen))
        (one,) = seen
        assert (one.slot, one.link, one.ping, one.ssh, one.command) == (A, None, None, None, None)
        assert one.text == "graped failed inside (ZeroDivisionError)"

    looking(tmp_path, Pinged(), broken, story)


def test_where_no_ping_is_allowed_that_rung_cannot_be_told(tmp_path: Path) -> None:
    async def story(yard: Yard, evidence: Evidence) -> None:
        (one,) = (await evidence.look([A])).values()
        assert one.ping is None
        assert "no ping is allowed here" in one.text
        assert "ping" in yard.engine.state.faults

    looking(tmp_path, Pinged(forbidden=True), lambda at, key: GONE, story)


def test_where_our_own_link_is_down_no_node_is_to_blame(tmp_path: Path) -> None:
    async def story(yard: Yard, evidence: Evidence) -> None:
        dead, alive = (await evidence.look([A, B])).values()
        assert (dead.link, dead.ping, dead.ssh, dead.command) == (None, None, None, None)
        assert dead.text == "nothing can be told: our own link eth1 is down"
        assert (alive.link, alive.ping) == (True, True), "what answers answers"

    looking(tmp_path, Pinged(B), lambda at, key: GONE, story, frozenset({"eth1"}))


def test_one_that_hangs_costs_the_others_nothing_and_itself_its_bound(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Sixteen callers look at three nodes each, all of them silent."""

    def slow(at: Endpoint, key: Path) -> Met:
        time.sleep(0.5)
        return GONE

    async def story(yard: Yard, evidence: Evidence) -> None:
        began = time.monotonic()
        looks = [evidence.look([A, B, C]) for _ in range(16)]
        await asyncio.gather(*looks)
        took_s = time.monotonic() - began
        record_property("summary", f"48 looks of 0.5 s each, side by side: {took_s:.2f} s")
        assert took_s < 0.5 + BUSY_S

    looking(tmp_path, Pinged(), slow, story)
