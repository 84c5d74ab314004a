"""What the display shows: a page for the cluster, then one a stack. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from graped.core.observe import UNREADABLE
from graped.core.state import SlotState, StackState, State
from graped.hardware.chips.hd44780 import COLUMNS
from graped.model import MeterKind, Power, SlotId, StackCondition

STALE_POLLS = 3  # a reading that missed so many polls is not shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Two lines of at most 16 characters, and the LEDs."""

    lines: tuple[str, str]
    red: bool
    green: bool


def pages(state: State, now: float) -> list[Page]:
    """Lay out all pages; ``now`` is monotonic (s). Red lights while anything is wrong anywhere."""
    troubled = [key for key in sorted(state.stacks) if _trouble(state, key)]
    red = bool(troubled or state.faults or state.over_temperature)
    green = not red and any(stack.adopted for stack in state.stacks.values())
    texts = [_cluster_lines(state, troubled, now), *(_stack_lines(state, key, now) for key in sorted(state.stacks))]
    return [Page(lines=lines, red=red, green=green) for lines in texts]


def _cluster_lines(state: State, troubled: list[int], now: float) -> tuple[str, str]:
    counted = [slot for slot in state.slots if _is_node(state, slot)] or list(state.slots)
    on = sum(state.slots[slot].observed is Power.ON for slot in counted)
    first = _join(state.config.cluster.name, f"{on}/{len(counted)}")
    readings = [_reading(state, key, MeterKind.TEMPERATURE, now) for key in state.stacks]
    hottest = _degrees(max((value for value in readings if value is not None), default=None))
    if state.over_temperature:
        return first, "OVER-TEMPERATURE"
    if state.faults:
        return first, _join(f"! {min(state.faults)}", hottest)
    if troubled:
        return first, _join(f"! stack {','.join(map(str, troubled))}", hottest)
    watts = [_reading(state, key, MeterKind.POWER, now) for key in state.stacks]
    metered = [value for value in watts if value is not None]
    return first, _join(hottest, _watts(sum(metered) if metered else None))


def _stack_lines(state: State, key: int, now: float) -> tuple[str, str]:
    stack = state.stacks[key]
    said = _trouble(state, key) or stack.condition.value
    title = f"Stack {key}" if len(f"Stack {key} {said}") <= COLUMNS else f"S{key}"
    signs = "".join(_sign(state.slots.get(SlotId(key, number))) for number in _numbers(state, stack, key))
    meters = (
        _degrees(_reading(state, key, MeterKind.TEMPERATURE, now)),
        _watts(_reading(state, key, MeterKind.POWER, now)),
    )
    return _join(title, said), _join(signs, " ".join(text for text in meters if text))


def _numbers(state: State, stack: StackState, key: int) -> range:
    """Give the slot numbers to show, each in its own column."""
    known = [*(stack.layout.bits if stack.layout else ()), *(slot.slot for slot in state.slots if slot.stack == key)]
    return range(max(known, default=-1) + 1)


def _trouble(state: State, key: int) -> str:
    """Name what is wrong with a stack in a word, or say nothing."""
    stack = state.stacks[key]
    if stack.fault is not None:
        return stack.fault.code.replace("_", " ")
    if stack.condition not in (StackCondition.OK, StackCondition.STARTING):
        return stack.condition.value
    faults = sum(slot.stack == key and _is_faulty(state, slot) for slot in state.slots)
    return f"{faults} fault{'s' * (faults != 1)}" if faults else ""


def _is_node(state: State, slot: SlotId) -> bool:
    """Tell whether a node sits in a slot."""
    stack = state.config.cluster.stacks.get(slot.stack)
    return stack is not None and slot.slot in stack.devices


def _is_faulty(state: State, slot: SlotId) -> bool:
    """Tell whether somebody should look; an empty slot whose relay nobody has used yet is none of their business."""
    fault = state.slots[slot].fault
    return fault is not None and (fault.code != UNREADABLE or _is_node(state, slot))


def _sign(slot: SlotState | None) -> str:
    if slot is None:
        return " "
    if slot.fault is not None:
        return "!"
    return {Power.ON: "█", Power.OFF: "·", Power.UNKNOWN: "?"}[slot.observed]


def _reading(state: State, key: int, kind: MeterKind, now: float) -> int | None:
    """Give a stack's meter in milli-units, None where there is none or it is stale."""
    reading = state.stacks[key].meters.get(kind)
    too_old = reading is None or now - reading.at > STALE_POLLS * state.config.poll.meters_s
    return None if reading is None or too_old else reading.value


def _degrees(millicelsius: int | None) -> str:
    return "" if millicelsius is None else f"{round(millicelsius / 1000)}°C"


def _watts(milliwatts: int | None) -> str:
    return "" if milliwatts is None else f"{round(milliwatts / 1000)}W"


def _join(left: str, right: str) -> str:
    """Put two texts at the two ends of a line; the left one gives way."""
    right = right[:COLUMNS]
    room = COLUMNS - len(right) - (1 if right else 0)
    return f"{left[: max(room, 0)]:<{COLUMNS - len(right)}}{right}"
