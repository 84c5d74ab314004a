"""What the ports say: adopt, notice change, land or repair a byte in flight. Desired / observed / fault of each slot.

Where a byte in flight stands, and what each report makes of it (``base`` -> ``value``; a report that does not fit the
table is dropped, because it is older than the write):

| in flight | report            | port shows         | then                                                        |
|-----------|-------------------|--------------------|-------------------------------------------------------------|
| no        | read              | as before          | nothing                                                     |
| no        | read              | anything else      | it changed by itself: said, never undone without a policy   |
| sure      | switched VERIFIED | value              | landed                                                      |
| sure      | switched REFUSED  | not base           | nothing was written: changed by itself, planned anew        |
| sure      | switched FOREIGN  | neither            | changed by itself, planned anew                             |
| sure      | UNWRITTEN         | ?                  | nothing was written: unknown, planned anew when it answers  |
| sure      | UNVERIFIED        | ?                  | unsure                                                      |
| unsure    | read              | value              | landed                                                      |
| unsure    | read              | base, or one bit   | exactly ``value`` is written again (repair)                 |
|           |                   | away from value    |                                                             |
| unsure    | read              | anything else      | changed by itself, planned anew                             |
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from graped.config.types import AtStart
from graped.core import port
from graped.core.asking import accept
from graped.core.boot import waits_for_boot
from graped.core.draft import Draft
from graped.core.effects import ReadPort, SwitchPort
from graped.core.events import PortRead, PortSwitched, PortUnread, PowerAsked, StackFound, StackLost, SwitchEnd
from graped.core.state import InFlight, StackState
from graped.model import Fault, PortReading, Power, SlotId, StackCondition, Stage, Verb

HOLD_MAX_S = 2.0  # the longest pause before a byte that was not taken is tried again
LANE_STUCK = "lane_stuck"  # the code of a lane whose thread does not come back from the kernel


def stack_found(draft: Draft, event: StackFound) -> None:
    """Take a stack's layout and place; its slots are unknown until its port is read."""
    old = draft.stacks.get(event.stack, StackState())
    draft.stacks[event.stack] = replace(old, layout=event.layout, bus=event.bus, address=event.address)
    draft.visible = True
    draft.effects.append(ReadPort(stack=event.stack))


def stack_lost(draft: Draft, event: StackLost) -> None:
    """A stack has no usable port: everything about it is unknown, with the reason."""
    condition = StackCondition.UNKNOWN if event.code == "ambiguous" else StackCondition.MISSING
    draft.stacks.setdefault(event.stack, StackState())
    _unknown(draft, event.stack, condition, event.code, event.message, event.hint)


def port_read(draft: Draft, event: PortRead) -> None:
    """Take a reading that counts."""
    stack = draft.stacks[event.stack]
    draft.count(bus_errors=event.errors)
    flight = stack.in_flight
    if flight is not None and not flight.unsure:
        return  # older than the write that is under way
    if stack.read_at is not None and event.at < stack.read_at:
        return
    if flight is not None:
        _resolve(draft, event.stack, flight, event.reading, event.at)
    else:
        _take(draft, event.stack, event.reading, event.at)


def port_unread(draft: Draft, event: PortUnread) -> None:
    """A port could not be read: its slots are unknown."""
    stack = draft.stacks[event.stack]
    draft.count(bus_errors=event.errors)
    stuck = event.code == LANE_STUCK
    if stack.in_flight is not None and not stack.in_flight.unsure and not stuck:
        return  # the write that is under way tells more
    if stack.read_at is not None and event.at < stack.read_at:
        return
    condition = StackCondition.UNKNOWN if event.code == "port_unsure" else StackCondition.MISSING
    _unknown(draft, event.stack, condition, event.code, event.message, event.hint)


def port_switched(draft: Draft, event: PortSwitched) -> None:
    """Take the end of a write (the table above)."""
    stack = draft.stacks[event.stack]
    flight = stack.in_flight
    if flight is None or flight.token != event.token:
        return
    draft.count(bus_errors=event.errors)
    if event.end not in (SwitchEnd.REFUSED, SwitchEnd.UNWRITTEN):
        draft.count(writes=1 + event.repairs)
    if event.repairs or (flight.repair and event.end is SwitchEnd.VERIFIED):
        repairs = event.repairs + flight.repair
        draft.count(repairs=repairs)
        draft.log("power.repaired", f"stack {event.stack}: a byte arrived changed and was written again",
                  stack=event.stack, repairs=repairs, value=flight.value)  # fmt: skip
    match event.end:
        case SwitchEnd.VERIFIED:
            assert event.reading is not None
            _land(draft, event.stack, flight, event.reading, event.at)
        case SwitchEnd.REFUSED | SwitchEnd.FOREIGN if event.reading is not None:
            if flight.repair:
                _resolve(draft, event.stack, flight, event.reading, event.at)
                return
            draft.count(changed_before_write=1 if event.end is SwitchEnd.REFUSED else 0)
            draft.set_stack(event.stack, in_flight=None)
            taken: frozenset[SlotId] = frozenset()
            if event.end is SwitchEnd.FOREIGN:
                _hold(draft, event.stack, event.message)
                taken = _taken(draft, flight, event.reading)
            _take(draft, event.stack, event.reading, event.at, asked=taken, jobs=flight.jobs)
        case SwitchEnd.UNWRITTEN | SwitchEnd.REFUSED | SwitchEnd.FOREIGN | SwitchEnd.UNVERIFIED:
            nothing_sent = event.end is SwitchEnd.UNWRITTEN and not flight.repair
            draft.set_stack(event.stack, in_flight=None if nothing_sent else replace(flight, unsure=True))
            condition = StackCondition.UNKNOWN if event.code == "port_unsure" else StackCondition.MISSING
            _unknown(draft, event.stack, condition, event.code, event.message)
            draft.effects.append(ReadPort(stack=event.stack))
        case _:
            assert_never(event.end)


def _hold(draft: Draft, key: int, why: str) -> None:
    """A port did not take its byte: leave it alone for a moment instead of hammering it. Said once."""
    if not draft.stacks[key].hold_reason:
        draft.log("power.not_taken", f"stack {key} does not take its byte: {why}", stack=key)
    pause = min(HOLD_MAX_S, 2 * draft.config.poll.power_s)
    draft.set_stack(key, hold_until=draft.now + pause, hold_reason=why or "its port does not take the byte")


def _resolve(draft: Draft, key: int, flight: InFlight, reading: PortReading, at: float) -> None:
    """Decide what became of a byte that was sent but never verified."""
    wanted = any(draft.jobs[job].ended is None for job in flight.jobs if job in draft.jobs)
    lost = port.equal(reading, flight.base)
    if port.equal(reading, flight.value):
        _land(draft, key, flight, reading, at)
    elif port.one_bit_apart(reading, flight.value) or (lost and wanted):
        token = draft.other.get("next_token", draft.before.next_token)
        draft.other["next_token"] = token + 1
        again = replace(flight, base=reading.value, token=token, unsure=False, repair=True)
        draft.set_stack(key, in_flight=again, read_at=at, visible=False)
        draft.effects.append(
            SwitchPort(stack=key, base=reading.value, value=flight.value, token=token, jobs=flight.jobs, repair=True)
        )
    else:
        draft.set_stack(key, in_flight=None)
        _take(draft, key, reading, at)


def _land(draft: Draft, key: int, flight: InFlight, reading: PortReading, at: float) -> None:
    """The byte is in the port: the slots it carried are switched."""
    draft.set_stack(key, in_flight=None, reading=reading, read_at=at, adopted=True, hold_until=0.0, hold_reason="")
    _answers(draft, key)
    _observe(draft, key, reading, at, asked=flight.slots, jobs=flight.jobs)


def _taken(draft: Draft, flight: InFlight, reading: PortReading) -> frozenset[SlotId]:
    """Which slots of a byte in flight are as it wanted them, although the port as a whole is not."""
    wanted = PortReading(value=flight.value, known=reading.known)
    taken = []
    for slot in flight.slots:
        layout = draft.stacks[slot.stack].layout
        assert layout is not None
        if port.decode(layout, reading, slot.slot) is port.decode(layout, wanted, slot.slot):
            taken.append(slot)
    return frozenset(taken)


def _take(
    draft: Draft,
    key: int,
    reading: PortReading,
    at: float,
    *,
    asked: frozenset[SlotId] = frozenset(),
    jobs: tuple[int, ...] = (),
) -> None:
    """Compare a reading with the one before it; only ``asked`` slots may have changed."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    before, adopted = stack.reading, stack.adopted
    draft.set_stack(key, visible=False, reading=reading, read_at=at, adopted=True)
    _answers(draft, key)
    if not adopted:
        _adopt(draft, key, reading, at)
        return
    changed = before is not None and (before.value ^ reading.value) & before.known & reading.known
    outage = bool(changed) and port.at_reset(stack.layout, reading)
    for slot in asked:
        changed = changed and changed & ~(1 << stack.layout.bits[slot.slot])
    if changed:
        moved = [slot for slot in _observe(draft, key, reading, at, asked=asked, jobs=jobs) if slot not in asked]
        draft.count(changed_by_itself=1)
        what = "lost power (it shows its power-on value)" if outage else "changed by itself"
        names = ", ".join(draft.name(slot) for slot in moved) or "no slot"
        draft.log("power.changed_by_itself", f"stack {key} {what}: {names}", stack=key, value=reading.value)
    else:
        _observe(draft, key, reading, at, asked=asked, jobs=jobs, quiet=True)
    if outage:
        _restore(draft, key)


def _adopt(draft: Draft, key: int, reading: PortReading, at: float) -> None:
    """First reading since the start: what is, is what is wanted, unless a policy says otherwise after an outage."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    remembered = draft.before.remembered
    recorded = remembered.ports.get(key)
    _observe(draft, key, reading, at, quiet=True)
    if recorded is not None and not port.equal(reading, recorded):
        when = "while graped was stopped" if remembered.clean_stop else "during a crash"
        kind = "port.changed_while_stopped" if remembered.clean_stop else "port.changed_during_crash"
        draft.log(kind, f"stack {key} changed {when}", stack=key, recorded=recorded, value=reading.value)
    outage = port.at_reset(stack.layout, reading)
    for slot in draft.slots_of(key):
        wanted = remembered.desired.get(slot)
        if outage and draft.config.power.at_start is AtStart.RESTORE and wanted is not None:
            draft.set_slot(slot, desired=wanted)
        elif draft.slots[slot].observed is not Power.UNKNOWN and slot not in draft.claims:
            draft.want(slot, draft.slots[slot].observed)
    on = sum(draft.slots[slot].observed is Power.ON for slot in draft.slots_of(key))
    draft.log("stack.adopted", f"stack {key}: {on} slot(s) are on, left as they are", stack=key, value=reading.value)
    if outage:
        _restore(draft, key)


def _restore(draft: Draft, key: int) -> None:
    """After a real outage, ask for what the policy wants on again."""
    match draft.config.power.at_start:
        case AtStart.ADOPT:
            return
        case AtStart.RESTORE:
            slots = [slot for slot in draft.slots_of(key) if draft.slots[slot].desired is Power.ON]
        case AtStart.ON:
            devices = draft.config.cluster.stacks[key].devices
            slots = [slot for slot in draft.slots_of(key) if slot.slot in devices]
    slots = [slot for slot in slots if slot not in draft.claims]
    if slots:
        number = draft.other.get("next_job", draft.before.next_job)
        by = f"policy {draft.config.power.at_start.value} after an outage of stack {key}"
        accept(draft, PowerAsked(job=number, verb=Verb.ON, slots=tuple(slots), by=by))


def _answers(draft: Draft, key: int) -> None:
    """A stack answers: it is well, unless a part of it does not."""
    stack = draft.stacks[key]
    condition = StackCondition.DEGRADED if stack.meters_missing else StackCondition.OK
    if stack.condition is condition and stack.fault is None:
        return
    if stack.fault is not None and stack.condition in (StackCondition.MISSING, StackCondition.UNKNOWN):
        gone = draft.now - stack.fault.since
        draft.log("stack.answers", f"stack {key} answers again after {gone:.1f} s", stack=key, after_s=round(gone, 3))
    fault = None
    if stack.meters_missing:
        text = "; ".join(stack.meters_missing.values())
        since = stack.fault.since if stack.fault and stack.fault.code == "meter_missing" else draft.now
        fault = Fault(code="meter_missing", message=text, since=since)
    draft.set_stack(key, condition=condition, fault=fault)


def _unknown(draft: Draft, key: int, condition: StackCondition, code: str, message: str, hint: str = "") -> None:
    """Nothing is known of a stack's slots any more: said once, with the cause."""
    stack = draft.stacks[key]
    same = stack.fault is not None and stack.fault.code == code and stack.condition is condition
    if not same:
        known = stack.condition in (StackCondition.MISSING, StackCondition.UNKNOWN) and stack.fault is not None
        since = stack.fault.since if known and stack.fault else draft.now
        draft.set_stack(key, condition=condition, fault=Fault(code=code, message=message, since=since, hint=hint))
        draft.log(f"stack.{condition.value}", f"stack {key}: {message}", stack=key, code=code, hint=hint)
    for slot in draft.slots_of(key):
        if draft.slots[slot].observed is not Power.UNKNOWN:
            draft.set_slot(slot, observed=Power.UNKNOWN, since=draft.now)


def _observe(
    draft: Draft,
    key: int,
    reading: PortReading,
    at: float,
    *,
    asked: frozenset[SlotId] = frozenset(),
    jobs: tuple[int, ...] = (),
    quiet: bool = False,
) -> list[SlotId]:
    """Write a reading into the slots; return those whose known power changed."""
    stack = draft.stacks[key]
    assert stack.layout is not None
    moved = []
    for number, power in port.powers(stack.layout, reading).items():
        slot = SlotId(key, number)
        old = draft.slots[slot]
        came_on = power is Power.ON and (slot in asked or (old.observed is Power.OFF))
        if power is not old.observed:
            moved += [slot] if old.observed is not Power.UNKNOWN or slot in asked else []
            draft.set_slot(slot, observed=power, since=at)
            if slot in asked:
                draft.log(f"power.{power.value}", f"{draft.name(slot)} is {power.value}", slot=slot,
                          job=jobs[0] if jobs else None)  # fmt: skip
        _settle_stage(draft, slot, power, at, came_on and power is not old.observed)
        _settle_fault(draft, slot, "" if quiet or slot in asked else "changed_by_itself")
    return moved


def _settle_stage(draft: Draft, slot: SlotId, power: Power, at: float, came_on: bool) -> None:
    """A slot that goes off has no boot stage; one that comes on is ``powered``."""
    old = draft.slots[slot]
    if power is Power.OFF and old.stage is not Stage.OFF:
        draft.set_slot(slot, stage=Stage.OFF, stage_since=at, stage_reason="", on_since=None, gate_open=True)
    elif came_on:
        draft.set_slot(
            slot, stage=Stage.POWERED, stage_since=at, stage_reason="", on_since=at,
            gate_open=not waits_for_boot(draft, slot),
        )  # fmt: skip
    elif power is Power.ON and old.stage is Stage.OFF:
        draft.set_slot(slot, stage=None, stage_since=at, stage_reason="came on unseen", gate_open=True)


def _settle_fault(draft: Draft, slot: SlotId, cause: str) -> None:
    """Keep a slot's own fault true: gone when observed is as desired, kept or given a cause while it is not."""
    now = draft.slots[slot]
    if now.desired is None or now.observed is Power.UNKNOWN:
        return
    if now.observed is now.desired:
        if now.fault is not None:
            draft.set_slot(slot, fault=None)
    elif now.fault is None and slot not in draft.claims:
        text = f"wanted {now.desired.value}, but is {now.observed.value}"
        what = "its power changed by itself" if cause else text
        hint = f"grapecli power {now.desired.value} {draft.name(slot)} switches it"
        draft.set_slot(slot, fault=Fault(code=cause or "not_as_wanted", message=what, since=draft.now, hint=hint))
