"""What a power request would do: the sequencer run ahead in time. Nothing is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graped.core import guards, port, sequence
from graped.core.asking import check, limits
from graped.core.boot import holds_gate
from graped.core.state import State
from graped.model import Power, SlotId, Verb

HORIZON = 10_000  # rounds after which a queue that does not move is called stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One switch of one slot: ``action`` on, off, none (it is so already) or never (no room), at the earliest time.

    ``stack_watts`` is what the stack is expected to draw right after it.
    """

    slot: SlotId
    at_s: float
    action: str
    watts: float
    stack_watts: float
    note: str = ""


def plan(
    state: State, verb: Verb, slots: Sequence[SlotId], now: float, *, force: bool = False, off_s: float | None = None
) -> tuple[Planned, ...]:
    """Lay out a request in time, earliest first. Boot gates are taken to open at once; a slot that may wait says so.

    Raises: NoTarget, UnknownNode, SharedRelay, OverBudget, as the request itself would.
    """
    targets = tuple(dict.fromkeys(slots))
    check(state, verb, targets)
    drawn = _drawn(state)
    steps: list[Planned] = []
    if verb is not Verb.ON:
        steps += _cuts(state, targets, drawn, force)
    if verb is not Verb.OFF:
        steps += _already(state, targets, drawn) if verb is Verb.ON else []
        rest = state.config.power.cycle_off_s if off_s is None else off_s
        cut = {one.slot for one in steps if one.action == "off"}
        on = [slot for slot in targets if verb is Verb.CYCLE or state.slots[slot].observed is not Power.ON]
        steps += _ons(state, {slot: rest if slot in cut else 0.0 for slot in on}, cut, now)
    return tuple(steps)


def _already(state: State, slots: Sequence[SlotId], drawn: dict[int, float]) -> list[Planned]:
    return [
        Planned(
            slot=slot, at_s=0.0, action="none", watts=state.config.watts_of(slot),
            stack_watts=drawn.get(slot.stack, 0.0), note="is on already",
        )
        for slot in slots if state.slots[slot].observed is Power.ON
    ]  # fmt: skip


def _drawn(state: State) -> dict[int, float]:
    drawn: dict[int, float] = {}
    for slot, now in state.slots.items():
        if now.observed is not Power.OFF:
            drawn[slot.stack] = drawn.get(slot.stack, 0.0) + state.config.watts_of(slot)
    return drawn


def _cuts(state: State, slots: Sequence[SlotId], drawn: dict[int, float], force: bool) -> list[Planned]:
    steps = []
    for slot in slots:
        watts = state.config.watts_of(slot)
        if state.slots[slot].observed is Power.OFF:
            action, note = "none", "is off already"
        else:
            drawn[slot.stack] = drawn.get(slot.stack, 0.0) - watts
            held = [] if force else _held_by(state, slot)
            action, note = "off", f"after {' and '.join(held)}" if held else _absent(state, slot)
        steps.append(
            Planned(slot=slot, at_s=0.0, action=action, watts=watts, stack_watts=drawn.get(slot.stack, 0.0), note=note)
        )
    return steps


def _held_by(state: State, slot: SlotId) -> list[str]:
    """Name what a slot waits for before it is cut."""
    names = guards.looking_after(state.guards, slot)
    held = [f"guard {', '.join(names)} (at most {state.config.power.guard_max_s:g} s)"] if names else []
    asked = slot in state.soft_off and state.config.power.soft_off_max_s > 0
    return [*held, "soft-off"] if asked else held


def _ons(state: State, ready: dict[SlotId, float], cut: set[SlotId], now: float) -> list[Planned]:
    """Run the sequencer ahead. ``ready``: when each slot may come on (s from now); ``cut`` are off by then."""
    policy = limits(state.config)
    coming = sorted(
        ((now + ready[want.slots[0]], want) for want in _groups(state, list(ready))), key=lambda one: one[0]
    )
    live = [
        sequence.Live(slot=slot, watts=state.config.watts_of(slot), on_since=one.on_since, gate_open=True)
        for slot, one in state.slots.items()
        if one.observed is not Power.OFF and slot not in cut and slot not in ready  # unknown and to come on: once
    ]
    last_on = dict(state.last_on)
    booting = sum(not one.gate_open for slot, one in state.slots.items() if slot not in cut)
    steps: list[Planned] = []
    at = now
    for _ in range(HORIZON):
        queue = [want for when, want in coming if when <= at]
        admission = sequence.admit(queue, live, last_on, policy, at)
        for want in admission.go:
            last_on[want.stack] = at
            live += [sequence.Live(slot=slot, watts=state.config.watts_of(slot), on_since=at) for slot in want.slots]
            booting += sum(holds_gate(state, slot) for slot in want.slots)
            late = "at the earliest: waits for the boot gate" if booting > policy.max_booting else ""
            steps += [_switched(state, slot, live, at - now, note=_absent(state, slot) or late) for slot in want.slots]
        coming = [(when, want) for when, want in coming if want not in admission.go]
        times = [when for when, _ in coming if when > at] + ([] if admission.wake is None else [admission.wake])
        if not times and not admission.go:
            break
        if not admission.go:
            at = min(times)
    for slot in (slot for _, want in coming for slot in want.slots):
        steps.append(replace(_switched(state, slot, live, at - now, note=admission.waiting[slot]), action="never"))
    return steps


def _absent(state: State, slot: SlotId) -> str:
    """Say that a slot waits until its stack can be read ("" where it can)."""
    fault = state.stacks[slot.stack].fault
    if state.slots[slot].observed is not Power.UNKNOWN:
        return ""
    return f"waits for stack {slot.stack}" + (f": {fault.message}" if fault else "")


def _switched(state: State, slot: SlotId, live: list[sequence.Live], at_s: float, note: str) -> Planned:
    drawn = sum(one.watts for one in live if one.slot.stack == slot.stack)
    return Planned(slot=slot, at_s=at_s, action="on", watts=state.config.watts_of(slot), stack_watts=drawn, note=note)


def _groups(state: State, slots: Sequence[SlotId]) -> list[sequence.Want]:
    groups: dict[tuple[SlotId, ...], None] = {}
    for slot in slots:
        layout = state.stacks[slot.stack].layout
        numbers = {slot.slot} if layout is None else port.siblings(layout, slot.slot)
        groups.setdefault(tuple(sorted(SlotId(slot.stack, number) for number in numbers)))
    return [sequence.Want(slots=group, watts=sum(map(state.config.watts_of, group))) for group in groups]
