"""What the contract says of power: plans, and who shares one answer."""

from __future__ import annotations

from collections.abc import Sequence

from graped.api import types
from graped.api.folding import fold
from graped.api.times import clock_time
from graped.clock import Clock
from graped.core.plan import Planned
from graped.core.state import State
from graped.model import Power, SlotId, StackCondition, Verb


def plan(state: State, verb: Verb, slots: Sequence[SlotId], steps: Sequence[Planned]) -> types.PowerPlan:
    """A request laid out in time, and who would lose power."""
    names = tuple(map(state.config.node_name, slots))
    cut = () if verb is Verb.ON else slots
    running = tuple(state.config.node_name(slot) for slot in cut if state.slots[slot].observed is Power.ON)
    return types.PowerPlan(
        verb=verb.value, names=names, folded=fold(names), running=running,
        steps=tuple(_plan_step(state, step) for step in steps),
    )  # fmt: skip


def _plan_step(state: State, step: Planned) -> types.PlanStep:
    now = state.slots[step.slot]
    return types.PlanStep(
        name=state.config.node_name(step.slot),
        at_s=round(step.at_s, 3),
        action=step.action,  # type: ignore[arg-type]  # the core's words are the wire's
        watts=step.watts,
        stack_watts=step.stack_watts,
        observed=now.observed.value,
        stage=now.stage.value if now.stage else None,
        note=step.note,
    )


def groups(state: State, clock: Clock, slots: Sequence[SlotId]) -> tuple[types.PowerGroup, ...]:
    """Gather slots by what is known of their power and why: on, off, unknown."""
    found: dict[tuple[Power, str], list[str]] = {}
    for slot in slots:
        key = (state.slots[slot].observed, _reason(state, clock, slot))
        found.setdefault(key, []).append(state.config.node_name(slot))
    order = list(Power)
    return tuple(
        types.PowerGroup(state=power.value, reason=reason, folded=fold(names), names=tuple(names))
        for (power, reason), names in sorted(found.items(), key=lambda item: order.index(item[0][0]))
    )


def _reason(state: State, clock: Clock, slot: SlotId) -> str:
    now, stack = state.slots[slot], state.stacks[slot.stack]
    fault, whose = now.fault, ""
    if now.observed is Power.UNKNOWN and stack.fault is not None:
        fault, whose = stack.fault, f"stack {slot.stack}: "
    if fault is not None:
        return f"{whose}{fault.message} since {clock_time(clock.wall_of(fault.since))}"
    if now.observed is Power.UNKNOWN:
        why = "not read yet" if stack.condition is StackCondition.STARTING else "its reads disagree"
        return f"stack {slot.stack}: {why}"
    return ""
