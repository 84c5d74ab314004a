"""Enrolment in memory: every slot that has a MAC address keeps it, the others are empty; one stranger waits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property

from graped.api.enrol_types import EnrolPlan, EnrolReport, PendingMac, Seated
from graped.core.boot import device_of
from graped.core.chore import Chore, ChoreKind
from graped.core.enrol import begin
from graped.core.enrolment import Enrolment, Limits, Step, Verdict
from graped.engine import Engine
from graped.errors import Conflict, NotFound
from graped.model import Power, SlotId
from graped.operate.enrol.results import report, summary
from graped.operate.enrol.seating import mac_of
from graped.provision.chores import Chores

WHEN = "2026-03-01T12:00:00.000Z"
STRANGER = PendingMac(
    mac="b8:27:eb:2c:c0:04", vendor="PXEClient", maker="Raspberry Pi", model=None, serial=None,
    first_seen=WHEN, last_seen=WHEN, count=3, rejected=False,
)  # fmt: skip


class Enrolling:
    """Implements ``operations.Enrolling``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ended: dict[int, tuple[Enrolment, bool]] = {}

    @cached_property
    def chores(self) -> Chores:
        return Chores(self.engine)

    async def plan(self, slots: Sequence[SlotId]) -> EnrolPlan:
        state = self.engine.state
        names = state.config.node_name
        running = [slot for slot in slots if state.slots[slot].observed is Power.ON]
        return EnrolPlan(slots=tuple(map(names, slots)), running=tuple(map(names, running)), evidence=("memory",))

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
        state, limits = self.engine.state, Limits(timeout_s=timeout_s)
        known = {slot: device.mac for slot in slots if (device := device_of(state.config, slot)) and device.mac}
        found, _ = begin(tuple(slots), on=(), consent=consent, known=known, limits=limits, now=0.0)
        places = {
            slot: replace(
                place, step=Step.ENDED, mac=place.known, verdict=Verdict.KEPT if place.known else Verdict.EMPTY
            )
            for slot, place in found.places.items()
        }
        ended = replace(found, places=places)
        words = summary(ended)
        chore = self.chores.start(ChoreKind.NODE_ENROL, "slots", lambda _: words, by=by, slots=tuple(slots))
        self.ended[chore.id] = (ended, dry_run)
        return chore

    def report(self, job: int) -> EnrolReport:
        if job not in self.ended:
            raise NotFound(f"job {job} is no enrolment that is remembered")
        enrolment, dry_run = self.ended[job]
        return report(
            job, enrolment, self.engine.state.config, dry_run=dry_run, file="/etc/grape/config.d/50-enrolled.toml",
            diff="", written=False, accepted=False, left_out=(), took_s=1.0,
        )  # fmt: skip

    async def accept(self, job: int, *, by: str) -> EnrolReport:
        return self.report(job)


class Pending:
    """Implements ``operations.Pending``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.waiting = {STRANGER.mac: STRANGER}

    def list(self, *, all_of_them: bool = False) -> Sequence[PendingMac]:
        return tuple(one for one in self.waiting.values() if all_of_them or not one.rejected)

    async def approve(self, text: str, slot: SlotId, *, by: str) -> Seated:
        mac = self._waiting(text)
        if (device := device_of(self.engine.state.config, slot)) and device.mac:
            raise Conflict("it has a MAC address already")
        return await self.seat(mac, slot, by=by)

    async def reject(self, text: str, *, by: str) -> PendingMac:
        mac = self._waiting(text)
        self.waiting[mac] = replace(self.waiting[mac], rejected=True)
        return self.waiting[mac]

    async def seat(self, text: str, slot: SlotId, *, by: str) -> Seated:
        device = device_of(self.engine.state.config, slot)
        name = self.engine.state.config.node_name(slot)
        return Seated(name=name, mac=mac_of(text), was=device.mac if device else None, file="50-enrolled.toml")

    def _waiting(self, text: str) -> str:
        mac = mac_of(text)
        if mac not in self.waiting:
            raise NotFound(f"{mac} does not wait for a slot")
        return mac
