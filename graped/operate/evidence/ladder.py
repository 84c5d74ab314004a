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
from typing import Final, Protocol, TypeVar

from graped.core.effects import LookAtNode
from graped.core.events import EvidenceSeen, SshSeen
from graped.model import SlotId
from graped.network.arp import Own, who_has
from graped.network.neighbours import Surroundings, surroundings
from graped.network.ssh_client import Endpoint
from graped.operate.evidence.pinging import Answers, Pings
from graped.operate.evidence.rungs import Met, link_of, meet_by_ssh, our_own
from graped.operate.house import House

T = TypeVar("T")

log = logging.getLogger("graped.evidence")

AT_ONCE: Final = 48
PING_S: Final = 1.2
PING_TRIES: Final = 3
ARP_S: Final = 0.9  # silent nodes are asked while their SSH ports are still waited for
GATHER_S: Final = 0.05  # nodes that are asked for together share a ping


class Asks(Protocol):
    """What ``who_has`` is to this room."""

    def __call__(
        self, addresses: Iterable[IPv4Address], own: Iterable[Own], *, timeout_s: float
    ) -> Mapping[IPv4Address, bool | None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What was seen of all nodes at once."""

    answers: Answers | None  # None: no ping is allowed here
    around: Surroundings
    arps: Mapping[IPv4Address, bool | None]
    ours: str | None  # the interface that leads to the nodes


class Evidence:
    """One daemon's; made in the event loop's thread."""

    def __init__(
        self,
        house: House,
        pings: Pings,
        *,
        around: Callable[[], Surroundings] = surroundings,
        arp: Asks = who_has,
        meet: Callable[[Endpoint, Path], Met] | None = None,
    ) -> None:
        self._house = house
        self._pings = pings
        self._around = around
        self._arp = arp
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
        places = await asyncio.to_thread(lambda: {slot: self._house.access.endpoint(slot) for slot in wanted})
        met = [asyncio.ensure_future(self._met(places[slot])) for slot in wanted]
        try:
            addresses = {IPv4Address(at.address) for at in places.values() if at.address}
            answers = await self._pings.ask(
                addresses, timeout_s=PING_S, tries=PING_TRIES, pause_s=PING_S / PING_TRIES
            )  # fmt: skip
            around = await asyncio.to_thread(self._look_around)  # after the pings: they made the kernel ask by ARP
            silent = addresses if answers is None else {one for one in addresses if answers[one] is None}
            arps = await asyncio.to_thread(lambda: self._arp(silent, around.own, timeout_s=ARP_S))
            found = await asyncio.gather(*met)
        finally:
            for one in met:
                one.cancel()
        ours = self._house.state.config.netboot.interface
        scene = _Scene(answers=answers, around=around, arps=arps, ours=ours)
        return {slot: self._seen(slot, places[slot], ssh, scene) for slot, ssh in zip(wanted, found, strict=True)}

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

    def _seen(self, slot: SlotId, at: Endpoint, met: Met | None, scene: _Scene) -> EvidenceSeen:
        now = self._house.clock.monotonic()
        if met is None:
            return EvidenceSeen(slot=slot, at=now, text="it has no address")
        address = IPv4Address(at.address)
        rtt = None if scene.answers is None else scene.answers.get(address)
        alive = rtt is not None or met.ssh is not SshSeen.NONE
        if not alive and (lost := our_own(address, scene.around, scene.ours)):
            return EvidenceSeen(slot=slot, at=now, text=f"nothing can be told: our own link {lost} is down")
        link, link_text = link_of(address, scene.around, scene.arps.get(address), alive=alive)
        pinged = None if scene.answers is None else rtt is not None
        ping_text = "no ping is allowed here" if pinged is None else "ping stays silent"
        if rtt is not None:
            ping_text = f"ping answers in {1000 * rtt:.1f} ms"
        text = ", ".join(one for one in (link_text, ping_text, met.text) if one)
        return EvidenceSeen(slot=slot, at=now, link=link, ping=pinged, ssh=met.ssh, command=met.command, text=text)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
