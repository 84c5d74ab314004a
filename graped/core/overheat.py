"""Over-temperature: one open-drain line for all stacks says *look*, only a stack's own thermometer says *cut*.

With ``temperature.emergency_celsius`` set, a stack whose temperature is at or above it in two readings at least 1 s
apart is cut at once. A line that is held low without such a reading is an alarm and cuts nothing.
"""

from __future__ import annotations

from graped.core.asking import accept
from graped.core.draft import Draft
from graped.core.effects import ReadTemperatures
from graped.core.events import MetersRead, OverTemperature, PowerAsked
from graped.core.jobs import Step
from graped.core.state import StackState
from graped.model import MeterKind, Power, SlotId, Verb

APART_S = 1.0  # between the two readings that cut power


def line_changed(draft: Draft, event: OverTemperature) -> None:
    """The line went low (look now) or high again."""
    if event.low == draft.before.over_temperature:
        return
    draft.other["over_temperature"] = event.low
    draft.visible = True
    if event.low:
        draft.log("temperature.alarm", "the over-temperature line is low: a stack is too warm, or the line is faulty")
    else:
        draft.log("temperature.normal", "the over-temperature line is high again")


def meters_read(draft: Draft, event: MetersRead) -> None:
    """Take meter samples; cut a stack that is twice at or above the emergency temperature."""
    stack = draft.stacks.setdefault(event.stack, StackState())
    meters = {**stack.meters, **{reading.kind: reading for reading in event.readings}}
    draft.set_stack(event.stack, meters=meters)
    if event.missing != stack.meters_missing:
        draft.set_stack(event.stack, meters_missing=dict(event.missing))
        for what, text in event.missing.items():
            if text != stack.meters_missing.get(what):
                draft.log("meter.missing", f"stack {event.stack}: no {what}: {text}", stack=event.stack)
        for what in stack.meters_missing.keys() - event.missing.keys():
            draft.log("meter.answers", f"stack {event.stack}: {what} answers again", stack=event.stack)
    _judge(draft, event)


def _judge(draft: Draft, event: MetersRead) -> None:
    emergency = draft.config.temperature.emergency_celsius
    reading = next((one for one in event.readings if one.kind is MeterKind.TEMPERATURE), None)
    if emergency is None or reading is None:
        return
    hot = dict(draft.other.get("hot", draft.before.hot))
    first = hot.get(event.stack)
    if reading.value < emergency * 1000:
        if hot.pop(event.stack, None) is not None:
            draft.other["hot"] = hot
        return
    if first is None:
        hot[event.stack] = reading
        draft.other["hot"] = hot
        return
    slots = tuple(
        slot
        for slot in draft.slots_of(event.stack)
        if draft.slots[slot].observed is not Power.OFF and not _is_being_cut(draft, slot)
    )
    if reading.at - first.at < APART_S or not slots:
        return
    text = f"stack {event.stack} is at {reading.value / 1000:.1f} °C (emergency at {emergency:g}): cut"
    draft.log("temperature.emergency", text, stack=event.stack, celsius=reading.value / 1000)
    number = draft.other.get("next_job", draft.before.next_job)
    accept(draft, PowerAsked(job=number, verb=Verb.OFF, slots=slots, by=f"emergency off: {text}", force=True))


def _is_being_cut(draft: Draft, slot: SlotId) -> bool:
    """Whether a slot is past its guards and soft-off on its way off; one that they hold is not."""
    job = draft.claims.get(slot)
    if job is None or draft.jobs[job].verb is not Verb.OFF:
        return False
    return draft.jobs[job].tasks[slot].step is Step.CUT


def keep_looking(draft: Draft) -> None:
    """While the line is low or a stack is hot, read temperatures again each second, whatever else happens."""
    if draft.config.temperature.emergency_celsius is None and draft.before.hot:
        draft.other["hot"] = {}
    looking = draft.other.get("over_temperature", draft.before.over_temperature)
    if not (looking or draft.other.get("hot", draft.before.hot)):
        if draft.before.look_at is not None:
            draft.other["look_at"] = None
        return
    due = draft.before.look_at
    if due is None or draft.now >= due:
        draft.effects.append(ReadTemperatures())
        due = draft.other["look_at"] = draft.now + APART_S
    draft.wake_at(due)
