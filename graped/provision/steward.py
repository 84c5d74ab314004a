"""Keep servers and roots as the configuration wants them: round after round, each of them idempotent.

A round lays out the plan, mounts roots, exports them, puts TFTP folders in place, and tells dnsmasq, in this order: a
node is sent nowhere before there is something to send it to. A round comes when something changed, and every few
seconds, which is also how a server that died comes back. What fails is a fault of its own and holds up nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from graped.clock import Clock
from graped.config.types import Config
from graped.core.chore import ChoreKind
from graped.core.events import Event, PowerOnHeld
from graped.core.state import State
from graped.errors import GrapeError
from graped.model import Power, SlotId
from graped.netboot.images.record import ImageRecord
from graped.netboot.nfs.exports import Export
from graped.netboot.plan import NetPlan, NodePlan, plan
from graped.netboot.roots.records import RootRecord
from graped.provision import former, ground, tftp
from graped.provision.edges import Edges
from graped.provision.exporting import Exporter
from graped.provision.faults import Faults, Several
from graped.provision.identities import known_nodes
from graped.provision.rivals import Rivals
from graped.provision.wanted import unmet

log = logging.getLogger("graped.provision")

ROUND_S: Final = 5.0  # between two rounds where nothing happens: as long as a dead server stays dead
HOLD_S: Final = 60.0  # nobody is kept off for longer because our servers do not come up
AGAIN_S: Final = 300.0  # a root that could not be made is tried again after so long, or when something changed


class Turning(Protocol):
    """What the steward needs of the engine."""

    @property
    def state(self) -> State: ...
    def post(self, event: Event) -> None: ...
    async def changed(self, revision: int, timeout_s: float) -> State: ...


MakeRoots = Callable[[tuple[SlotId, ...], str], object]  # the nodes, and who asks


class Steward:
    """One cluster's. ``make_roots`` begins a chore; ``records`` and ``images`` are what the last round saw."""

    def __init__(self, edges: Edges, engine: Turning, clock: Clock, rivals: Rivals, make_roots: MakeRoots) -> None:
        self._edges = edges
        self._engine = engine
        self._clock = clock
        self._rivals = rivals
        self._make_roots = make_roots
        self._faults = Faults(engine.post)
        self._woken = asyncio.Event()
        self._serving = False  # whether DHCP ran when we came, or was let run
        self._resting = False
        self._unsupervised = True  # until it was found that servers can be kept running here
        self._tried: dict[SlotId, tuple[NodePlan, float]] = {}
        self._off: frozenset[SlotId] = frozenset()
        self._exporter = Exporter(edges)
        self._old: set[str] = set()  # nodes with roots that perhaps nobody needs any more
        self._begun = self._ended = 0  # rounds
        self._round_ended = asyncio.Condition()
        self.records: dict[str, RootRecord] = {}
        self.images: tuple[ImageRecord, ...] = ()
        self.broken_roots: dict[str, str] = {}  # node -> why its root cannot be served

    def wake(self) -> None:
        """Have a round now."""
        self._woken.set()

    def wake_from_thread(self) -> None:
        """Have a round now; asked by work in a thread."""
        self._faults.call(self.wake)

    async def served(self) -> None:
        """Wait until everything that there is now has been exported and can be booted: one whole round from now."""
        self.wake()
        target = self._begun + 1
        async with self._round_ended:
            await self._round_ended.wait_for(lambda: self._ended >= target)

    async def run(self) -> None:
        """Go round until cancelled. A bug in here holds nobody's power."""
        try:
            await self._go_round()
        finally:
            self._engine.post(PowerOnHeld(reason=""))

    async def _go_round(self) -> None:
        if self._engine.state.config.netboot.active:
            await self._begin(plan(self._engine.state.config))
        await asyncio.to_thread(self._recover)
        config: Config | None = None
        while True:
            self._woken.clear()
            state = self._engine.state
            if state.config is not config:
                config, self._tried = state.config, {}
            self._begun += 1
            await self._round(state)
            async with self._round_ended:
                self._ended = self._begun
                self._round_ended.notify_all()
            await self._pause(state)

    async def _pause(self, state: State) -> None:
        """Wait for the next round: a new configuration, a node that went off, somebody who woke us, or time."""
        deadline = self._clock.monotonic() + ROUND_S
        woken = asyncio.create_task(self._woken.wait())
        now = state
        try:
            while not woken.done() and (left := deadline - self._clock.monotonic()) > 0:
                changed = asyncio.create_task(self._engine.changed(now.revision, left))
                await asyncio.wait({woken, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                now = self._engine.state
                if now.config is not state.config or _off(now) - self._off:
                    return
        finally:
            woken.cancel()

    def _recover(self) -> None:
        """Clean up after a crash, before anything is served (in a thread)."""
        edges = self._edges
        for what, recover in {
            "images": edges.images.recover,
            "workspaces": edges.workspaces.recover,
            "keys": edges.keys.recover,
            "roots": edges.roots.recover,
        }.items():
            with self._faults.of(f"netboot.{what}"):
                for name in recover():
                    log.info("%s: removed what a crash had left: %s", what, name)
        if self._engine.state.config.netboot.active:
            with self._faults.of("netboot.former"):
                former.let_go(edges)

    async def _round(self, state: State) -> None:
        config = state.config
        if not config.netboot.active:
            await asyncio.to_thread(self._rest)
            return
        layout = plan(config)
        busy = self._busy()  # before the look: a root that is made meanwhile is seen or still worked on
        await asyncio.to_thread(self._look)
        off = _off(state)
        await asyncio.to_thread(self._release, layout, off - self._off)
        self._off = off
        if self._unsupervised:
            await asyncio.to_thread(self._supervise)
        clear, held = await self._may_serve(config)
        await asyncio.to_thread(self._serve, config, layout, clear, busy)
        self._engine.post(PowerOnHeld(reason=held))
        self._ask_for_roots(layout, busy)

    def hold(self) -> None:
        """Have nobody switched on before the first round is over: a Pi 3B asks for 25 s and never again.

        A round that takes longer than ``HOLD_S`` is not waited for: something is wrong, and told.
        """
        if self._engine.state.config.netboot.active:
            self._engine.post(PowerOnHeld(reason="the servers of the nodes are not up yet"))
            asyncio.get_running_loop().call_later(HOLD_S, self._let_go)

    def _let_go(self) -> None:
        if self._ended == 0:
            self._engine.post(PowerOnHeld(reason=""))

    async def _begin(self, layout: NetPlan) -> None:
        """Take over servers that ran before us: they hold nobody."""
        self._serving = False
        with self._faults.of("dhcp"):
            self._serving = await asyncio.to_thread(self._edges.dnsmasq.running, layout.folder) is not None
        if self._serving:
            self._engine.post(PowerOnHeld(reason=""))

    def _supervise(self) -> None:
        """See whether servers can be kept running at all, until they can (in a thread)."""
        with self._faults.of("netboot.supervisor"):
            self._edges.servers.check(self._edges.units)
            self._unsupervised = False

    def _rest(self) -> None:
        """Serve nobody new while netbooting is off; roots stay exported for nodes that run on them (in a thread)."""
        self._look()
        if self._resting:
            return
        self._resting = True
        with self._faults.of("dhcp"):
            if self._edges.dnsmasq.running(self._edges.folder) is not None:
                self._edges.dnsmasq.stop(self._edges.folder)
                log.info("DHCP: stopped, because netboot.active is false")

    def _look(self) -> None:
        """See what is there (in a thread)."""
        with self._faults.of("netboot.images"):
            known, self.images = self.images, self._edges.images.all()
            if self.images != known:
                self._tried = {}  # what could not be made of an image that was not there can be now
        with self._faults.of("netboot.records"):
            self.records = self._edges.roots.all()

    def _release(self, layout: NetPlan, off: Iterable[SlotId]) -> None:
        """Let old roots of nodes that went off go (in a thread)."""
        several = Several()
        with self._faults.of("netboot.release"):
            for node in layout.nodes:
                if node.slot in off and node.name in self.records:
                    with several.one(node.name):
                        self._edges.roots.release(node.name)
                        self._old.add(node.name)
            several.end()

    async def _may_serve(self, config: Config) -> tuple[bool, str]:
        """Judge the interface and who else serves on it: whether DHCP may run, and why nobody is switched on.

        A rival is not joined. One that came later stops power-ons.
        """
        link = await asyncio.to_thread(self._rivals.link)
        finding = ground.judge(config.netboot, link)
        self._faults.tell("netboot.interface", finding)
        if finding is not None:
            return False, ""
        rival = await self._rival()
        self._faults.tell("dhcp_rival", rival)
        if rival is None:
            self._serving = True
        return self._serving, rival.message if rival and self._serving else ""

    async def _rival(self) -> ground.Finding | None:
        try:
            return await self._rivals.look()
        except (GrapeError, OSError) as error:
            return ground.Finding(message=str(error), hint=getattr(error, "hint", ""))

    def _serve(self, config: Config, layout: NetPlan, clear: bool, busy: frozenset[SlotId]) -> None:
        """Have everything that is served in place (in a thread)."""
        edges = self._edges
        with self._faults.of("netboot.mounts"):
            several = Several()
            several.failed = self.broken_roots = edges.roots.mount_all()
            several.end()
        with self._faults.of("netboot.volumes"):
            self._exporter.make_volumes(layout, self._idle_with_roots(layout), _resting(self._engine.state))
        several = Several()
        with self._faults.of("nfs"):
            _tell("NFS", self._exporter.export(self._exporter.wanted(layout, several)))
            self._retire()
        with self._faults.of("netboot.exports"):
            several.end()
        with self._faults.of("tftp"):
            _tell("TFTP", tftp.apply(layout, edges, self.records, self.broken_roots))
        with self._faults.of("netboot.known_hosts"):
            edges.keys.write_known_hosts(known_nodes(config))
        if clear:
            with self._faults.of("dhcp"):
                _tell("DHCP", edges.dnsmasq.apply(layout, self._waiting(layout, busy)))
                edges.dnsmasq.rotate(layout.folder)

    def _waiting(self, layout: NetPlan, busy: frozenset[SlotId]) -> frozenset[str]:
        """Name the nodes whose first root is made, or is about to be: a board that is answered now finds no files."""
        return frozenset(
            node.name
            for node in unmet(layout.nodes, self.records)
            if node.name not in self.records
            and node.name not in self.broken_roots
            and (node.slot in busy or node.slot not in self._tried)
        )

    def _retire(self) -> None:
        """Remove old roots that the NFS server has let go of (in a thread)."""
        several = Several()
        with self._faults.of("netboot.retire"):
            for name in tuple(self._old):
                with several.one(name):
                    if not self._edges.roots.retire(name).busy:
                        self._old.discard(name)
            several.end()

    def exports(self, layout: NetPlan) -> tuple[Export, ...]:
        """Lay out what is to be exported now. Reads the records: call it in a thread."""
        return self._exporter.wanted(layout, Several())

    def _idle_with_roots(self, layout: NetPlan) -> frozenset[str]:
        """Name the nodes that have a root and that no work is done on: work makes their volumes itself."""
        busy = self._busy()
        return frozenset(node.name for node in layout.nodes if node.name in self.records and node.slot not in busy)

    def _busy(self) -> frozenset[SlotId]:
        """Name the nodes that some work is done on; an enrolment works on power alone, and whom it found may boot."""
        open_ones = (chore for chore in self._engine.state.chores.values() if not chore.outcome.ended)
        return frozenset(slot for chore in open_ones if chore.kind is not ChoreKind.NODE_ENROL for slot in chore.nodes)

    def _ask_for_roots(self, layout: NetPlan, busy: frozenset[SlotId]) -> None:
        """Have roots made that are missing, in one job; a node whose root failed is not tried at every round."""
        now = self._clock.monotonic()
        due = []
        for node in unmet(layout.nodes, self.records):
            tried = self._tried.get(node.slot)
            if node.slot not in busy and (tried is None or tried[0] != node or now >= tried[1] + AGAIN_S):
                due.append(node.slot)
                self._tried[node.slot] = (node, now)
        if due:
            self._make_roots(tuple(due), "the configuration")


def _tell(who: str, changes: Iterable[str]) -> None:
    for change in changes:
        log.info("%s: %s", who, change)


def _off(state: State) -> frozenset[SlotId]:
    return frozenset(slot for slot, now in state.slots.items() if now.observed is Power.OFF)


def _resting(state: State) -> frozenset[SlotId]:
    """Name the slots that are off and that nobody has asked to be on."""
    return frozenset(slot for slot in _off(state) if state.slots[slot].desired is not Power.ON)
