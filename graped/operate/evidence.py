"""How far a node answers, rung by rung: its link or ARP, ping, SSH with the pinned key, a command. Some seconds in all.

Nothing is decided here. A rung that cannot be told is None, never False.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, TypeVar

from graped.core.effects import LookAtNode
from graped.core.events import EvidenceSeen, SshSeen
from graped.errors import CommandFailed, CommandTimeout, SshDenied, SshError
from graped.model import SlotId
from graped.network.neighbours import Arp, Surroundings, surroundings
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_probe import Found, Probe, probe
from graped.operate.asking import words
from graped.operate.house import House
from graped.operate.pinging import Answers, Pings

T = TypeVar("T")

log = logging.getLogger("graped.evidence")

AT_ONCE: Final = 48
PING_S: Final = 1.2
PING_TRIES: Final = 3
PROBE_S: Final = 2.0
LOGIN_S: Final = 1.5
COMMAND_S: Final = 1.5  # in all at most 5 s
GATHER_S: Final = 0.05  # nodes that are asked for together share a ping


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What came of SSH. ``text`` is for people."""

    ssh: SshSeen
    command: bool | None
    text: str


class Evidence:
    """One daemon's; made in the event loop's thread."""

    def __init__(
        self,
        house: House,
        pings: Pings,
        *,
        around: Callable[[], Surroundings] = surroundings,
        meet: Callable[[Endpoint, Path], Met] | None = None,
    ) -> None:
        self._house = house
        self._pings = pings
        self._around = around
        self._meet = meet or meet_by_ssh
        # Threads of their own: nodes that do not answer must not keep anything else in this daemon from its turn.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="evidence")
        self._asked: dict[SlotId, None] = {}
        self._woken = asyncio.Event()

    def ask(self, effect: LookAtNode) -> None:
        """Have a node looked at; ``EvidenceSeen`` tells what was found."""
        self._asked[effect.slot] = None
        self._woken.set()

    async def run(self) -> None:
        """Look at what is asked for, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._woken.wait()
                await asyncio.sleep(GATHER_S)
                self._woken.clear()
                slots, self._asked = tuple(self._asked), {}
                group.create_task(self._tell(slots))

    async def look(self, slots: Iterable[SlotId]) -> Mapping[SlotId, EvidenceSeen]:
        """Look at nodes, all at once; takes some 5 s at most, and much less where they answer."""
        wanted = tuple(dict.fromkeys(slots))
        places = await self._in_thread(lambda: {slot: self._house.access.endpoint(slot) for slot in wanted})
        met = [asyncio.ensure_future(self._met(places[slot])) for slot in wanted]
        try:
            answers = await self._pings.ask(
                {IPv4Address(at.address) for at in places.values() if at.address},
                timeout_s=PING_S, tries=PING_TRIES, pause_s=PING_S / PING_TRIES,
            )  # fmt: skip
            around = await self._in_thread(self._look_around)  # after the pings: they made the kernel ask by ARP
            found = await asyncio.gather(*met)
        finally:
            for one in met:
                one.cancel()
        ours = self._house.state.config.netboot.interface
        return {
            slot: self._seen(slot, places[slot], ssh, answers, around, ours)
            for slot, ssh in zip(wanted, found, strict=True)
        }

    async def _tell(self, slots: tuple[SlotId, ...]) -> None:
        try:
            found = await self.look(slots)
        except Exception as error:
            log.exception("looking at nodes failed")
            now, text = self._house.clock.monotonic(), f"graped failed inside ({type(error).__name__})"
            found = {slot: EvidenceSeen(slot=slot, at=now, text=text) for slot in slots}
        for one in found.values():
            self._house.engine.post(one)

    async def _met(self, at: Endpoint) -> Met | None:
        if not at.address:
            return None
        return await self._in_thread(lambda: self._meet(at, self._house.access.keys.cluster_key()))

    def _look_around(self) -> Surroundings:
        try:
            return self._around()
        except OSError as error:
            log.warning("the kernel does not tell of neighbours: %s", error)
            return Surroundings()

    def _seen(
        self,
        slot: SlotId,
        at: Endpoint,
        met: Met | None,
        answers: Answers | None,
        around: Surroundings,
        ours: str | None,
    ) -> EvidenceSeen:
        now = self._house.clock.monotonic()
        if met is None:
            return EvidenceSeen(slot=slot, at=now, text="it has no address")
        address = IPv4Address(at.address)
        rtt = None if answers is None else answers.get(address)
        alive = rtt is not None or met.ssh is not SshSeen.NONE
        if not alive and (lost := our_own(address, around, ours)):
            return EvidenceSeen(slot=slot, at=now, text=f"nothing can be told: our own link {lost} is down")
        link, link_text = link_of(address, around, alive=alive)
        pinged = None if answers is None else rtt is not None
        ping_text = "no ping is allowed here" if pinged is None else "ping stays silent"
        if rtt is not None:
            ping_text = f"ping answers in {1000 * rtt:.1f} ms"
        text = ", ".join(one for one in (link_text, ping_text, met.text) if one)
        return EvidenceSeen(slot=slot, at=now, link=link, ping=pinged, ssh=met.ssh, command=met.command, text=text)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def our_own(address: IPv4Address, around: Surroundings, ours: str | None) -> str:
    """Name the interface of ours that leads to a node and is down: then nobody there can be blamed. "" none. Pure."""
    known = around.neighbours.get(address)
    interface = ours if known is None else known.interface
    return interface if interface is not None and interface in around.down else ""


def link_of(address: IPv4Address, around: Surroundings, *, alive: bool) -> tuple[bool | None, str]:
    """Tell whether a node has a link, and say by what. Pure.

    A node beyond a router has no entry, and the kernel believes for half a minute what it heard last.
    """
    if alive:
        return True, "link up"
    known = around.neighbours.get(address)
    if known is None:
        return None, ""
    match known.arp:
        case Arp.ANSWERS | Arp.SEEN:
            return None, "ARP answered a while ago"
        case Arp.ASKED | Arp.SILENT:
            return False, "no link: ARP stays silent"


def meet_by_ssh(at: Endpoint, key: Path) -> Met:
    """Climb the rungs of SSH; blocks for at most about 5 s. Somebody who is not the node gets no login from us."""
    found = probe(at.address, at.port, at.host_keys, PROBE_S)
    if not found.up or not at.host_keys:
        return judged(found, pinned=bool(at.host_keys))
    try:
        with connect(at, key, timeout_s=LOGIN_S) as session:
            session.run("true", timeout_s=COMMAND_S)
    except SshDenied:
        return Met(ssh=SshSeen.TRUSTED, command=None, text="SSH has its pinned key and does not let us in")
    except CommandTimeout:
        return Met(ssh=SshSeen.TRUSTED, command=False, text="SSH lets us in, a command does not end")
    except (CommandFailed, SshError) as error:
        return Met(
            ssh=SshSeen.TRUSTED, command=False, text=f"SSH has its pinned key, a command fails: {words(error, at.name)}"
        )
    return Met(ssh=SshSeen.TRUSTED, command=True, text="SSH lets us in, a command ends well")


def judged(found: Probe, *, pinned: bool) -> Met:
    """Say what a probe means where nobody logs in. Pure."""
    match found.found:
        case Found.UP:
            return Met(ssh=SshSeen.BANNER, command=None, text="SSH answers, no key of it is pinned")
        case Found.REFUSED:
            return Met(ssh=SshSeen.REFUSED, command=None, text="its SSH port is closed")
        case Found.NO_ROUTE | Found.TIMEOUT | Found.ERROR:
            return Met(ssh=SshSeen.NONE, command=None, text=f"no SSH: {found.error}")
        case Found.NO_BANNER if found.error.endswith("it said nothing"):
            return Met(ssh=SshSeen.SILENT, command=None, text="SSH connects and says nothing")
        case Found.NO_BANNER:  # a server that turns us away ("Not allowed at this time") is alive
            return Met(ssh=SshSeen.BANNER, command=None, text=found.error)
        case Found.NO_KEY:
            ssh = SshSeen.SILENT if pinned else SshSeen.BANNER
            return Met(ssh=ssh, command=None, text="SSH says what it is and then shows no key")
        case Found.WRONG_KEY | Found.OTHER_KEY:
            return Met(ssh=SshSeen.WRONG_KEY, command=None, text=f"SSH answers with another key: {found.error}")
