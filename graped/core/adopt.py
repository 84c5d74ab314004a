"""Take a reading: adopt what the first one shows, notice what later ones show, restore after a real outage."""

from __future__ import annotations

from dataclasses import dataclass

from graped.config.types import AtStart
from graped.core import port
from graped.core.asking import accept
from graped.core.draft import Draft
from graped.core.events import PowerAsked
from graped.core.observe import answers, observe
from graped.model import PortReading, Power, SlotId, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """The slots that a byte of ours just switched, and the jobs it was for."""

    slots: frozenset[SlotId] = frozenset()
    jobs: tuple[int, ...] = ()


NOTHING = Switched()


def take(draft: Draft, key: int, reading: PortReading, at: float, ours: Switched = NOTHING) -> None:
    """Compare a reading with the one before it: whatever is not ``ours`` changed by itself."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    before, adopted = stack.reading, stack.adopted
    draft.set_stack(key, visible=False, reading=reading, read_at=at, adopted=True)
    answers(draft, key)
    if not adopted:
        _adopt(draft, key, reading, at)
        return
    changed = 0 if before is None else (before.value ^ reading.value) & before.known & reading.known
    outage = changed != 0 and port.at_reset(stack.layout, reading)
    for slot in ours.slots:
        changed &= ~(1 << stack.layout.bits[slot.slot])
    moved = observe(draft, key, reading, at, asked=ours.slots, jobs=ours.jobs, quiet=not changed)
    if changed:
        draft.count(changed_by_itself=1)
        what = "lost power (it shows its power-on value)" if outage else "changed by itself"
        names = ", ".join(draft.name(slot) for slot in moved if slot not in ours.slots) or "no slot"
        draft.log("power.changed_by_itself", f"stack {key} {what}: {names}", stack=key, value=reading.value)
        if outage:
            _restore(draft, key)


def _adopt(draft: Draft, key: int, reading: PortReading, at: float) -> None:
    """First reading since the start: what is, is what is wanted, unless a policy says otherwise after an outage."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    remembered = draft.before.remembered
    outage = port.at_reset(stack.layout, reading)
    if outage and draft.config.power.at_start is AtStart.RESTORE:
        for slot in draft.slots_of(key):
            wanted = remembered.desired.get(slot)
            if wanted is not None and slot not in draft.claims:
                draft.set_slot(slot, desired=wanted)
    observe(draft, key, reading, at, quiet=True)
    recorded = remembered.ports.get(key)
    if recorded is not None:
        if not port.equal(reading, recorded):
            when = "while graped was stopped" if remembered.clean_stop else "during a crash"
            kind = "port.changed_while_stopped" if remembered.clean_stop else "port.changed_during_crash"
            draft.log(kind, f"stack {key} changed {when}", stack=key, recorded=recorded, value=reading.value)
        _tell_lost(draft, key, recorded)
    slots = draft.slots_of(key)
    on = sum(draft.slots[slot].observed is Power.ON for slot in slots)
    unknown = sum(draft.slots[slot].observed is Power.UNKNOWN for slot in slots)
    text = f"stack {key}: {on} of {len(slots)} slots on{f', {unknown} unknown' if unknown else ''}, left as found"
    draft.log("stack.adopted", text, stack=key, value=reading.value)
    if outage:
        _restore(draft, key)


def _tell_lost(draft: Draft, key: int, recorded: int) -> None:
    """Name the slots that were on and of which nothing can be told any more: relays whose pins the kernel let go."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    full = PortReading(value=recorded, known=(1 << stack.layout.width) - 1)
    lost = [
        slot for slot in draft.slots_of(key)
        if draft.slots[slot].observed is Power.UNKNOWN and port.decode(stack.layout, full, slot.slot) is Power.ON
    ]  # fmt: skip
    if lost:
        names = ", ".join(draft.name(slot) for slot in lost)
        text = f"stack {key} was on in {names} when graped ended; whether it still is cannot be told"
        draft.log("port.unknown_since_end", text, stack=key, recorded=recorded)


def _restore(draft: Draft, key: int) -> None:
    """After a real outage, ask for what the policy wants on again."""
    policy = draft.config.power.at_start
    if policy is AtStart.ADOPT:
        return
    layout = draft.stacks[key].layout
    assert layout is not None
    devices = draft.config.cluster.stacks[key].devices
    wanted: set[int] = set()
    for slot in draft.slots_of(key):
        desired_on = draft.slots[slot].desired is Power.ON
        if slot.slot in devices if policy is AtStart.ON else desired_on:
            wanted |= port.siblings(layout, slot.slot)  # a relay is switched whole
    slots = tuple(
        SlotId(key, number)
        for number in sorted(wanted)
        if all(SlotId(key, one) not in draft.claims for one in port.siblings(layout, number))
    )
    if slots:
        number = draft.other.get("next_job", draft.before.next_job)
        by = f"policy {policy.value} after an outage of stack {key}"
        accept(draft, PowerAsked(job=number, verb=Verb.ON, slots=slots, by=by))
