"""What the ports report, and what becomes of a byte in flight.

Where a byte in flight stands, and what each report makes of it (``base`` -> ``value``; a report that does not fit the
table is dropped, because it is older than the write):

| in flight | report            | port shows         | then                                                        |
|-----------|-------------------|--------------------|-------------------------------------------------------------|
| no        | read              | as before          | nothing                                                     |
| no        | read              | anything else      | it changed by itself: said, never undone without a policy   |
| sure      | switched VERIFIED | value              | landed                                                      |
| sure      | switched REFUSED  | not base           | nothing was written: changed by itself, planned anew        |
| sure      | switched FOREIGN  | neither            | taken as it is; slots not as wanted are tried again later   |
| sure      | UNFINISHED        | one bit away from  | there was no time left: exactly ``value`` is written again  |
|           |                   | value              |                                                             |
| sure      | UNFINISHED        | base               | it never arrived: planned anew, if it is still wanted       |
| sure      | UNWRITTEN         | ?                  | nothing was written: unknown, planned anew when it answers  |
| sure      | UNVERIFIED        | value, in part     | landed; slots that the port cannot tell are tried again     |
| sure      | UNVERIFIED        | ?                  | unsure                                                      |
| unsure    | read              | value              | landed                                                      |
| unsure    | read              | base               | it never arrived: planned anew, if it is still wanted       |
| unsure    | read              | one bit away from  | it arrived changed: exactly ``value`` is written again      |
|           |                   | value              | (repair)                                                    |
| unsure    | read              | the power-on value,| changed by itself, planned anew                             |
|           |                   | anything else      |                                                             |

Planned anew, not written again at once: time has passed, others may be in their inrush window by now, and the job
may have ended. The power-on value is an outage even where it is one bit away from ``value``: a stack that did not
answer more probably lost its power than had the one bit flipped that looks like it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from graped.core import port
from graped.core.adopt import Switched, take
from graped.core.draft import Draft
from graped.core.effects import ReadPort, SwitchPort
from graped.core.events import PortRead, PortSwitched, PortUnread, StackFound, StackLost, SwitchEnd
from graped.core.observe import answers, observe, unknown
from graped.core.state import InFlight, StackState
from graped.model import PortReading, Power, SlotId, StackCondition

HOLD_MAX_S = 2.0  # the longest pause before a slot that was not taken is tried again
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
    unknown(draft, event.stack, condition, event.code, event.message, event.hint)


def port_read(draft: Draft, event: PortRead) -> None:
    """Take a reading that counts."""
    stack = draft.stacks.get(event.stack)
    if stack is None or stack.layout is None:
        return
    draft.count(bus_errors=event.errors)
    flight = stack.in_flight
    if flight is not None and not flight.unsure:
        return  # older than the write that is under way
    if stack.read_at is not None and event.at < stack.read_at:
        return
    if flight is not None:
        _resolve(draft, event.stack, flight, event.reading, event.at)
    else:
        take(draft, event.stack, event.reading, event.at)


def port_unread(draft: Draft, event: PortUnread) -> None:
    """A port could not be read: its slots are unknown."""
    stack = draft.stacks.get(event.stack)
    if stack is None:
        return
    draft.count(bus_errors=event.errors)
    stuck = event.code == LANE_STUCK
    if stack.in_flight is not None and not stack.in_flight.unsure and not stuck:
        return  # the write that is under way tells more
    if stack.read_at is not None and event.at < stack.read_at:
        return
    unknown(draft, event.stack, _condition(event.code), event.code, event.message, event.hint)


def port_switched(draft: Draft, event: PortSwitched) -> None:
    """Take the end of a write (the table above)."""
    stack = draft.stacks.get(event.stack)
    flight = stack.in_flight if stack else None
    if flight is None or flight.token != event.token:
        return
    _count(draft, flight, event)
    reading = event.reading
    match event.end:
        case SwitchEnd.VERIFIED if reading is not None:  # a stuck pin that belongs to no slot may still differ
            _land(draft, event.stack, flight, reading, event.at)
        case SwitchEnd.UNVERIFIED if reading is not None and port.equal(reading, flight.value):
            _land(draft, event.stack, flight, reading, event.at)
        case SwitchEnd.UNFINISHED if reading is not None:
            _resolve(draft, event.stack, flight, reading, event.at, at_once=True)
        case SwitchEnd.REFUSED if reading is not None and flight.repair:
            _resolve(draft, event.stack, flight, reading, event.at)
        case SwitchEnd.REFUSED | SwitchEnd.FOREIGN if reading is not None:
            _drop(draft, flight, event, reading)
        case (
            SwitchEnd.UNWRITTEN
            | SwitchEnd.REFUSED
            | SwitchEnd.FOREIGN
            | SwitchEnd.UNFINISHED
            | SwitchEnd.UNVERIFIED
            | SwitchEnd.VERIFIED
        ):
            _lose_sight(draft, flight, event)
        case _:
            assert_never(event.end)


def _condition(code: str) -> StackCondition:
    return StackCondition.UNKNOWN if code == "port_unsure" else StackCondition.MISSING


def _count(draft: Draft, flight: InFlight, event: PortSwitched) -> None:
    """Count what went over the wire, and say it where a byte was repaired."""
    draft.count(bus_errors=event.errors)
    if event.end in (SwitchEnd.REFUSED, SwitchEnd.UNWRITTEN):
        return
    repairs = event.repairs + (flight.repair and event.end is SwitchEnd.VERIFIED)
    draft.count(writes=1 + event.repairs, repairs=repairs)
    if repairs:
        draft.log("power.repaired", f"stack {event.stack}: a byte arrived changed and was written again",
                  stack=event.stack, repairs=repairs, value=flight.value)  # fmt: skip


def _drop(draft: Draft, flight: InFlight, event: PortSwitched, reading: PortReading) -> None:
    """The port shows something else, and that counts; slots that took their part of the byte are switched."""
    draft.set_stack(event.stack, in_flight=None)
    if event.end is SwitchEnd.REFUSED:
        draft.count(changed_before_write=1)
        take(draft, event.stack, reading, event.at)
        return
    taken = frozenset(slot for slot in flight.slots if _has_taken(draft, slot, flight.value, reading))
    take(draft, event.stack, reading, event.at, Switched(slots=taken, jobs=flight.jobs))
    _hold(draft, flight.jobs, flight.slots - taken, event.message or "its port does not take the byte")


def _lose_sight(draft: Draft, flight: InFlight, event: PortSwitched) -> None:
    """Nobody knows what the port shows."""
    if event.end is SwitchEnd.UNWRITTEN and not flight.repair:
        draft.set_stack(event.stack, in_flight=None)
    else:
        draft.set_stack(event.stack, in_flight=replace(flight, unsure=True))
        for slot in flight.slots:
            if draft.slots[slot].on_since is not None:
                draft.set_slot(slot, on_since=event.at)  # if it came on, then only now at the latest
    unknown(draft, event.stack, _condition(event.code), event.code, event.message)
    draft.effects.append(ReadPort(stack=event.stack))


def _resolve(
    draft: Draft, key: int, flight: InFlight, reading: PortReading, at: float, *, at_once: bool = False
) -> None:
    """Decide what became of a byte that was sent but never verified. ``at_once``: it was read back right behind it."""
    layout = draft.stacks[key].layout
    assert layout is not None
    never_arrived = not flight.repair and port.equal(reading, flight.base)
    changed = port.one_bit_apart(layout, reading, flight.value) and (at_once or not port.at_reset(layout, reading))
    if port.equal(reading, flight.value):
        _land(draft, key, flight, reading, at)
    elif changed and not never_arrived:
        token = draft.next_token()
        again = replace(flight, base=reading.value, token=token, unsure=False, repair=True)
        draft.set_stack(key, in_flight=again, visible=False)  # read_at goes with what the slots show
        draft.effects.append(
            SwitchPort(stack=key, base=reading.value, value=flight.value, token=token, jobs=flight.jobs, repair=True)
        )
    else:
        draft.set_stack(key, in_flight=None)
        take(draft, key, reading, at)
        if never_arrived:
            _hold(draft, flight.jobs, flight.slots, "its byte never arrived at the port")


def _land(draft: Draft, key: int, flight: InFlight, reading: PortReading, at: float) -> None:
    """The byte is in the port: the slots it carried are switched, where the port can tell."""
    draft.set_stack(key, in_flight=None, reading=reading, read_at=at, adopted=True)
    answers(draft, key)
    observe(draft, key, reading, at, asked=flight.slots, jobs=flight.jobs, quiet=True)
    untold = frozenset(slot for slot in flight.slots if draft.slots[slot].observed is Power.UNKNOWN)
    _hold(draft, flight.jobs, untold, "written, but its port does not tell what became of it")


def _has_taken(draft: Draft, slot: SlotId, value: int, reading: PortReading) -> bool:
    layout = draft.stacks[slot.stack].layout
    assert layout is not None
    shown = port.decode(layout, reading, slot.slot)
    wanted = port.decode(layout, PortReading(value=value, known=reading.known), slot.slot)
    return shown is wanted and shown is not Power.UNKNOWN


def _hold(draft: Draft, jobs: tuple[int, ...], slots: frozenset[SlotId], why: str) -> None:
    """Slots were not taken by their port: try them again in a moment, not at once and not for ever."""
    patience = draft.config.power.give_up_s
    again = draft.now + min(HOLD_MAX_S, 2 * draft.config.poll.power_s)
    for slot in sorted(slots):
        number = draft.claims.get(slot)
        if number not in jobs:
            continue  # somebody else asks something else of it by now
        since = draft.jobs[number].tasks[slot].refused_since
        if since is None:
            since = draft.now
            draft.log("power.not_taken", f"{draft.name(slot)}: {why}", slot=slot, job=number)
        if draft.now >= since + patience:
            draft.fail_task(number, slot, f"given up after {patience:g} s: {why}")
        else:
            draft.set_task(number, slot, refused=why, refused_since=since, again_at=again, queued_at=draft.now)
