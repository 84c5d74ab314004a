"""Who is in trouble, and who is there to compare with. Pure; one pass over the slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from graped.config.types import Boot, Device, Model, RecoveryMode
from graped.core.boot import device_of
from graped.core.draft import Draft
from graped.core.recovery_types import Recovery
from graped.core.state import SlotState
from graped.core.writing import WRITABLE
from graped.model import Power, SlotId, Stage

# A Pi 3B asks 5 times, 5 s apart, and halts: two tries that stay out, and it has. It may not have been heard each time.
# Source: raspberrypi/documentation, boot-net; raspberrypi/firmware issues 862, 1362
ROM_SILENT_S: Final = 12.0


@dataclass
class Cast:
    """Who plays which part at the moment."""

    trouble: dict[SlotId, str] = field(default_factory=dict)  # who -> what the matter is
    gave_up: set[SlotId] = field(default_factory=set)  # of these, Pis whose boot ROM has halted
    up: dict[int, list[SlotId]] = field(default_factory=dict)  # by stack
    booting: dict[int, int] = field(default_factory=dict)  # by stack, how many
    wanted: int = 0  # nodes that should run, whatever they do
    worked_on: frozenset[SlotId] = frozenset()  # by open long work of people

    @property
    def any_booting(self) -> bool:
        """Whether a node anywhere is on its way."""
        return any(self.booting.values())


def mode_of(draft: Draft, slot: SlotId) -> RecoveryMode:
    """What is to be done about a node."""
    device = device_of(draft.config, slot)
    return device.recovery if device and device.recovery is not None else draft.config.recovery.mode


def quarantined(device: Device, entry: Recovery | None) -> str:
    """Why recovery leaves a node alone; "" it does not."""
    return device.quarantine or (entry.quarantine if entry else "")


def suspects(draft: Draft) -> dict[SlotId, str]:
    """Find whose signs are not as they should be, and say what the matter is. What is well costs next to nothing."""
    found = {}
    for slot, state in draft.slots.items():
        if state.stage is Stage.UP or state.stage is Stage.OFF or state.desired is not Power.ON:
            continue
        device = device_of(draft.config, slot) if slot in draft.watched else None
        if device is not None and (words := _trouble(draft, slot, state, device)):
            found[slot] = words
    return found


def look_over(draft: Draft, suspected: Mapping[SlotId, str], entries: Mapping[SlotId, Recovery]) -> Cast:
    """Find who is in trouble and may be touched, and who is not. Nodes of which nothing can be told play no part."""
    cast = Cast(worked_on=_worked_on(draft))
    for slot, state in draft.slots.items():
        if slot in draft.watched and state.desired is Power.ON and state.stage is not Stage.OFF:
            _place(draft, cast, slot, suspected.get(slot, ""), entries.get(slot))
        elif slot in draft.claims and state.desired is Power.ON:
            cast.booting[slot.stack] = cast.booting.get(slot.stack, 0) + 1  # in the middle of a cycle, or coming on
            cast.wanted += 1
    return cast


def _place(draft: Draft, cast: Cast, slot: SlotId, words: str, entry: Recovery | None) -> None:
    device, state = device_of(draft.config, slot), draft.slots[slot]
    if device is None or quarantined(device, entry):
        return
    if device.boot is Boot.LOCAL and slot not in draft.before.trusted:
        return  # whether it has a system that we could meet is not known
    if state.stage is Stage.UP:
        cast.up.setdefault(slot.stack, []).append(slot)
        cast.wanted += 1
        return
    if not words and state.stage is None:
        return
    cast.wanted += 1
    if not words:
        cast.booting[slot.stack] = cast.booting.get(slot.stack, 0) + 1
    elif slot not in cast.worked_on and _may_be_touched(draft, slot, state):
        cast.trouble[slot] = words
        if _rom_gave_up(draft, slot, state, device):
            cast.gave_up.add(slot)


def _trouble(draft: Draft, slot: SlotId, state: SlotState, device: Device) -> str:
    if state.stage is Stage.LOST:
        return f"lost: {state.stage_reason}" if state.stage_reason else "lost"
    if state.stage is None:
        return _no_sign(draft, slot, state, device)
    if _rom_gave_up(draft, slot, state, device):
        times = state.boot.discovers
        return f"gave up netbooting: asked DHCP {times} time{'s' * (times != 1)}, then nothing (Pi 3B)"
    return f"late in {state.stage}: {state.late}" if state.late else ""


def _no_sign(draft: Draft, slot: SlotId, state: SlotState, device: Device) -> str:
    """Say that a node we know showed no sign for as long as a whole boot may take."""
    if slot not in draft.before.trusted or state.stage_since is None or state.observed is not Power.ON:
        return ""
    limits = draft.config.netboot.deadlines
    whole = limits.powered_s + limits.dhcp_s + limits.tftp_s + limits.kernel_s + limits.root_s
    if draft.now < state.stage_since + whole:
        draft.wake_at(state.stage_since + whole)
        return ""
    return "no sign of it since graped knows it to be on"


def _rom_gave_up(draft: Draft, slot: SlotId, state: SlotState, device: Device) -> bool:
    """Whether a Pi 3B asked for an address, and then stopped to ask without fetching anything."""
    if (device.model or state.boot.model) is not Model.PI3B or device.boot is not Boot.NETWORK:
        return False
    if state.stage is Stage.POWERED:
        return state.late != ""
    last = state.boot.discover_at or state.stage_since
    if state.stage is not Stage.DHCP or last is None:
        return False
    if draft.now < last + ROM_SILENT_S:
        draft.wake_at(last + ROM_SILENT_S)
        return False
    return True


def _may_be_touched(draft: Draft, slot: SlotId, state: SlotState) -> bool:
    """Whether a slot's power is known and nobody works on it: neither people nor a byte on its way."""
    stack = draft.stacks[slot.stack]
    flying = stack.in_flight is not None and slot in stack.in_flight.slots
    known = state.observed is Power.ON and state.fault is None and stack.condition in WRITABLE
    return known and not flying and slot not in draft.claims


def _worked_on(draft: Draft) -> frozenset[SlotId]:
    open_ones = [chore for chore in draft.chores.values() if chore.ended is None]
    return frozenset(slot for chore in open_ones for slot, node in chore.nodes.items() if node.result is None)
