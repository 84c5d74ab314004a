"""Enrolment as long work: who sits where is found out by power and listening, written, and told."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from graped.api.enrol_types import EnrolPlan, EnrolReport
from graped.config import enrolled
from graped.core.chore import Chore, ChoreKind
from graped.core.enrolment import Enrolment, Facts, Heard, Limits, Switch, Verdict
from graped.core.events import ChoreNodeEnded
from graped.errors import Cancelled, Conflict, NotFound, Stopping
from graped.model import Power, SlotId
from graped.operate.enrol import results as results
from graped.operate.enrol.drive import Drive, Ear, begin
from graped.operate.enrol.ears import Ears
from graped.operate.enrol.pending import Pending
from graped.operate.enrol.seating import Seating
from graped.operate.house import House
from graped.provision.sightings import MacHeard
from graped.work import Work

KEPT: Final = 20  # reports of enrolments that have ended
WRITE_S: Final = 60.0  # for the loop to write the results and read the configuration again
NOBODY_LISTENS: Final = "nothing would tell which MAC address is heard"
LISTEN_HINT: Final = "Set netboot.interface to the interface on which the nodes are; see graped/README.md."


@dataclass(slots=True, eq=False)
class _Session:
    """One enrolment, now or before."""

    enrolment: Enrolment
    consent: frozenset[SlotId]
    limits: Limits
    by: str
    dry_run: bool
    moves: bool  # are accepted
    began: float
    job: int = 0
    file: str = ""
    diff: str = ""
    written: bool = False
    left_out: tuple[str, ...] = ()
    took_s: float | None = None  # None: it goes on
    told: dict[SlotId, Verdict] = field(default_factory=dict)
    unlisten: Callable[[], None] = lambda: None


class Enrolling:
    """One enrolment at a time. Everything but the drive itself belongs to the loop's thread."""

    def __init__(self, house: House, ears: Ears, pending: Pending, seating: Seating) -> None:
        self._house = house
        self._ears = ears
        self._pending = pending
        self._seating = seating
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[int, _Session] = {}

    async def plan(self, slots: Sequence[SlotId]) -> EnrolPlan:
        """Tell what would be looked at, and what is on. Raises: Conflict (nothing would tell any MAC address)."""
        config = self._house.state.config
        names = config.node_name
        running = [slot for slot in slots if self._house.state.slots[slot].observed is not Power.OFF]
        evidence = await self._evidence(slots)
        return EnrolPlan(slots=tuple(map(names, slots)), running=tuple(map(names, running)), evidence=evidence)

    async def start(
        self,
        slots: Sequence[SlotId],
        *,
        consent: Collection[SlotId],
        dry_run: bool,
        moves: bool,
        timeout_s: float,
        by: str,
    ) -> Chore:
        """Begin. ``consent``: slots that may be switched off though they are on. Raises: Conflict, ServerError."""
        chores = self._house.state.chores.values()
        if any(chore.kind is ChoreKind.NODE_ENROL and chore.ended is None for chore in chores):
            raise Conflict("an enrolment is going on", hint="grapecli jobs shows it.")
        await self._evidence(slots)
        limits = Limits(timeout_s=timeout_s)
        session = _Session(
            enrolment=self._begun(tuple(slots), frozenset(consent), limits)[0], consent=frozenset(consent),
            limits=limits, dry_run=dry_run, moves=moves, began=self._house.clock.monotonic(), by=by,
        )  # fmt: skip
        subject = f"{len(slots)} slot" + "s" * (len(slots) != 1)
        chore = self._house.chores.start(
            ChoreKind.NODE_ENROL, subject, partial(self._work, session), by=by, slots=tuple(slots)
        )
        session.job = chore.id
        self._sessions[chore.id] = session
        for old in sorted(self._sessions)[:-KEPT]:
            del self._sessions[old]
        return chore

    def report(self, job: int) -> EnrolReport:
        """Tell what was found, as far as it is. Raises: NotFound."""
        session = self._session(job)
        took_s = self._house.clock.monotonic() - session.began if session.took_s is None else session.took_s
        return results.report(
            job, session.enrolment, self._house.state.config, dry_run=session.dry_run, file=session.file,
            diff=session.diff, written=session.written, accepted=session.moves, left_out=session.left_out,
            took_s=took_s,
        )  # fmt: skip

    async def accept(self, job: int, *, by: str) -> EnrolReport:
        """Write what an enrolment found, also moves and a dry run's. Raises: NotFound, Conflict, ConfigError."""
        session = self._session(job)
        chore = self._house.state.chores.get(job)
        if chore is not None and chore.ended is None:
            raise Conflict(f"job {job} is still looking", hint=f"grapecli jobs show {job} shows how far it is.")
        session.moves, session.dry_run = True, False
        await self._write(session)
        self._house.journal.append(
            "enrol.accepted", f"what enrolment {job} found was accepted by {by}", job=job, fields={"by": by}
        )
        return self.report(job)

    # --- in the chore's thread ----------------------------------------------------------------------------

    def _work(self, session: _Session, work: Work) -> str:
        try:
            preparing = asyncio.run_coroutine_threadsafe(self._prepare(session), self._loop)
            drive = preparing.result(WRITE_S)
            session.enrolment = drive.run(work)
            call = asyncio.run_coroutine_threadsafe(self._write(session), self._loop)
            failure: Exception | None = None
            try:
                call.result(WRITE_S)
            except Exception as error:  # the nodes that were on come back all the same
                failure = error
            lost = drive.restore(work)
            if failure is not None:
                raise failure
        except (Cancelled, Stopping):
            self._call(self._broken_off, session)
            raise
        finally:
            self._call(self._end, session)
        names = ", ".join(map(self._house.state.config.node_name, lost))
        return results.summary(session.enrolment) + (f"; {names} could not be switched on again" if lost else "")

    def _from_thread(self, session: _Session, enrolment: Enrolment) -> None:
        """Take how far it is; called in the thread at each look."""
        session.enrolment = enrolment
        news = {
            slot: place.verdict
            for slot, place in enrolment.places.items()
            if place.verdict is not None and session.told.get(slot) is not place.verdict
        }
        if news:
            session.told = session.told | news
            self._call(self._tell, session, tuple(news))

    def _call(self, what: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)

    # --- in the loop --------------------------------------------------------------------------------------

    async def _prepare(self, session: _Session) -> Drive:
        """Begin with the cluster as it is when the work has its turn. Raises: ServerError."""
        slots = session.enrolment.order
        ear, heard = await self._ear(slots), queue.SimpleQueue[Heard]()
        session.enrolment, asked = self._begun(slots, session.consent, session.limits)
        drive = Drive(
            self._house.engine, self._loop, session.enrolment, asked, by=f"{session.by}, to enrol", heard=heard,
            ear=ear, told=partial(self._from_thread, session), monotonic=self._house.clock.monotonic,
        )  # fmt: skip
        session.unlisten = self._ears.listen(lambda who: heard.put(_heard(who, self._house.clock.monotonic())))
        return drive

    def _begun(
        self, slots: tuple[SlotId, ...], consent: frozenset[SlotId], limits: Limits
    ) -> tuple[Enrolment, tuple[Switch, ...]]:
        heard_at, now = self._pending.last_heard(), self._house.clock.monotonic()
        return begin(self._house.state, slots, consent=consent, limits=limits, heard_at=heard_at, now=now)

    async def _write(self, session: _Session) -> None:
        changes = results.changes_of(session.enrolment, self._house.state.config, moves=session.moves)
        name = self._house.state.config.node_name
        draft: enrolled.Draft
        draft = self._seating.draft(changes) if session.dry_run else await self._seating.write(changes)
        session.file, session.diff = str(draft.file), draft.diff
        session.written = bool(draft.diff) and not session.dry_run
        session.left_out = tuple(f"{name(slot)}: {why}" for slot, why in draft.left_out.items())

    def _tell(self, session: _Session, slots: Sequence[SlotId]) -> None:
        for slot in slots:
            place = session.enrolment.places[slot]
            name = self._house.state.config.node_name(slot)
            facts = session.enrolment.facts.get(place.mac or "", Facts())
            self._house.journal.append(
                f"enrol.{place.verdict}", f"{name}: {results.reason_of(place)[1]}",
                stack=slot.stack, node=name, job=session.job,
                fields={
                    "mac": place.mac, "macs": list(place.macs), "was": place.known, "note": place.note,
                    "model": None if facts.model is None else facts.model.value, "serial": facts.serial,
                    "took_s": round(place.took_s, 3),
                },
            )  # fmt: skip

    def _broken_off(self, session: _Session) -> None:
        """Say what is not as it was: nothing more is switched."""
        names = self._house.state.config.node_name
        places = session.enrolment.places.items()
        off = [names(slot) for slot, place in places if place.was_on and not self._on(slot)]
        on = [names(slot) for slot, place in places if not place.was_on and self._on(slot)]
        words = [f"on before and off now: {', '.join(off)}"] * bool(off)
        words += [f"off before and on now: {', '.join(on)}"] * bool(on)
        text = "the enrolment was broken off and switches nothing more; " + ("; ".join(words) or "all is as it was")
        self._house.journal.append("enrol.broken_off", text, job=session.job, fields={"off": off, "on": on})

    def _on(self, slot: SlotId) -> bool:
        return self._house.state.slots[slot].observed is Power.ON

    def _end(self, session: _Session) -> None:
        session.unlisten()
        session.took_s = self._house.clock.monotonic() - session.began
        for slot, place in session.enrolment.places.items():
            if place.verdict is not None:
                result, reason = results.reason_of(place)
                self._house.engine.post(ChoreNodeEnded(chore=session.job, slot=slot, result=result, reason=reason))

    def _session(self, job: int) -> _Session:
        session = self._sessions.get(job)
        if session is None:
            raise NotFound(f"job {job} is no enrolment that is remembered", hint="grapecli events --kind enrol tells.")
        return session

    # --- by what is heard ---------------------------------------------------------------------------------

    async def _evidence(self, slots: Sequence[SlotId]) -> tuple[str, ...]:
        """Say by what MAC addresses are heard. Raises: Conflict where some slots are out of earshot."""
        netboot = self._house.state.config.netboot
        real = [slot for slot in slots if self._house.is_real(slot)]
        ways = [] if len(real) == len(slots) else ["the simulated rack"]
        if real:
            if netboot.interface is None:
                raise Conflict(NOBODY_LISTENS, hint=LISTEN_HINT)
            from graped.operate.enrol.listen import is_there  # late: netlink costs a second on a Pi

            if not await asyncio.to_thread(is_there, netboot.interface):
                raise Conflict(f"{NOBODY_LISTENS}: there is no interface {netboot.interface}", hint=LISTEN_HINT)
            ways += [f"DHCP requests, the bridge's table and ARP on {netboot.interface}"]
            if netboot.active:
                ways += ["dnsmasq's log"]
        return tuple(ways)

    async def _ear(self, slots: Sequence[SlotId]) -> Ear | None:
        interface = self._house.state.config.netboot.interface
        if interface is None or not any(map(self._house.is_real, slots)):
            return None
        from graped.operate.enrol.listen import Interface  # late: netlink costs a second on a Pi

        return Interface(interface)


def _heard(who: MacHeard, now: float) -> Heard:
    facts = Facts(model=who.model, serial=who.serial, vendor=who.vendor)
    return Heard(mac=who.mac, at=now, facts=facts)
