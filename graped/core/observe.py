"""Write what a port shows into the slots behind it (observed, boot stage, fault) and how well their stack answers."""

from __future__ import annotations

from graped.core import boot, port
from graped.core.draft import Draft
from graped.core.state import SlotState, StackState
from graped.model import Fault, PortReading, Power, SlotId, StackCondition, Stage

UNREADABLE = "unreadable"  # the code of a slot whose port answers, but does not tell this slot's power


def observe(
    draft: Draft,
    key: int,
    reading: PortReading,
    at: float,
    *,
    asked: frozenset[SlotId] = frozenset(),
    jobs: tuple[int, ...] = (),
    quiet: bool = False,
) -> list[SlotId]:
    """Write a reading into the slots; return those whose known power changed.

    ``asked`` are the slots that ``jobs`` just switched. ``quiet``: nothing changed by itself.
    """
    stack = draft.stacks[key]
    assert stack.layout is not None
    moved = []
    for number, power in port.powers(stack.layout, reading).items():
        slot = SlotId(key, number)
        old = draft.slots[slot]
        if power is not old.observed:
            came_on = power is Power.ON and (slot in asked or old.observed is Power.OFF)
            moved += [slot] if old.observed is not Power.UNKNOWN or slot in asked else []
            draft.set_slot(slot, observed=power, since=at)
            if slot in asked:
                draft.log(f"power.{power.value}", f"{draft.name(slot)} is {power.value}", slot=slot,
                          job=jobs[0] if jobs else None)  # fmt: skip
            _settle_stage(draft, slot, power, at, came_on)
        elif power is Power.OFF and (old.on_since is not None or not old.gate_open):
            draft.set_slot(slot, on_since=None, gate_open=True)  # a byte that was to switch it on never arrived
        _settle_fault(draft, slot, power, at, "" if quiet or slot in asked else "changed_by_itself")
    return moved


def _settle_stage(draft: Draft, slot: SlotId, power: Power, at: float, came_on: bool) -> None:
    """A slot that goes off has no boot stage; one that comes on is ``powered``."""
    if power is Power.OFF:
        boot.went_off(draft, slot, at)
    elif came_on:
        draft.last_on[slot.stack] = max(at, draft.last_on.get(slot.stack, at))  # its byte may have waited for the bus
        boot.came_on(draft, slot, at)
    elif power is Power.ON and draft.slots[slot].stage is Stage.OFF:
        boot.came_on_unseen(draft, slot, at)
    elif power is Power.ON:
        boot.adopted(draft, slot, at)


def _settle_fault(draft: Draft, slot: SlotId, power: Power, at: float, cause: str) -> None:
    """Keep a slot's own fault true: gone when observed is as desired, kept or given a cause while it is not."""
    now = draft.slots[slot]
    if power is Power.UNKNOWN:
        _unreadable(draft, slot, now, at)
        return
    if now.fault is not None and now.fault.code == UNREADABLE:
        now = draft.set_slot(slot, fault=None)
    if now.desired is None:
        if slot not in draft.claims and draft.stacks[slot.stack].adopted:
            draft.want(slot, power)  # adopted late: it could not be told before
    elif power is now.desired:
        if now.fault is not None:
            draft.set_slot(slot, fault=None)
    elif now.fault is None and slot not in draft.claims:
        text = f"wanted {now.desired.value}, but is {power.value}"
        what = "its power changed by itself" if cause else text
        hint = f"grapecli power {now.desired.value} {draft.name(slot)} switches it"
        draft.set_slot(slot, fault=Fault(code=cause or "not_as_wanted", message=what, since=draft.now, hint=hint))


def _unreadable(draft: Draft, slot: SlotId, now: SlotState, at: float) -> None:
    if now.since is None:
        draft.set_slot(slot, since=at)
    if now.fault is None:
        hint = "a relay that nobody has used yet is known from its first power command on; else look at its driver"
        fault = Fault(code=UNREADABLE, message="its port does not tell whether it is on", since=draft.now, hint=hint)
        draft.set_slot(slot, fault=fault)


def answers(draft: Draft, key: int) -> None:
    """A stack answers: it is well, unless a part of it does not."""
    stack = draft.stacks[key]
    condition = StackCondition.DEGRADED if stack.meters_missing else StackCondition.OK
    if stack.condition is condition and stack.fault is None:
        return
    if stack.fault is not None and stack.condition in (StackCondition.MISSING, StackCondition.UNKNOWN):
        gone = draft.now - stack.fault.since
        draft.log("stack.answers", f"stack {key} answers again after {gone:.1f} s", stack=key, after_s=round(gone, 3))
    draft.set_stack(key, condition=condition, fault=_meter_fault(draft, stack))


def _meter_fault(draft: Draft, stack: StackState) -> Fault | None:
    if not stack.meters_missing:
        return None
    since = stack.fault.since if stack.fault and stack.fault.code == "meter_missing" else draft.now
    return Fault(code="meter_missing", message="; ".join(dict.fromkeys(stack.meters_missing.values())), since=since)


def unknown(draft: Draft, key: int, condition: StackCondition, code: str, message: str, hint: str = "") -> None:
    """Nothing is known of a stack's slots any more: said once, with the cause and since when."""
    stack = draft.stacks[key]
    lost = stack.condition in (StackCondition.MISSING, StackCondition.UNKNOWN) and stack.fault is not None
    same = lost and stack.condition is condition and stack.fault is not None and stack.fault.code == code
    if not same:
        since = stack.fault.since if lost and stack.fault else draft.now
        draft.set_stack(key, condition=condition, fault=Fault(code=code, message=message, since=since, hint=hint))
    if not lost or stack.condition is not condition:
        draft.log(f"stack.{condition.value}", f"stack {key}: {message}", stack=key, code=code, hint=hint)
    for slot in draft.all_slots_of(key):
        old = draft.slots[slot]
        if old.observed is not Power.UNKNOWN or old.since is None:
            draft.set_slot(slot, observed=Power.UNKNOWN, since=draft.now)
