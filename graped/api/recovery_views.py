"""What the contract says of recovery. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from graped.api.recovery_types import NodeRecovery, RecoveryHold, RecoveryReport
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.config.types import Device
from graped.core.recovery_book import of_an_hour
from graped.core.recovery_types import Recovery
from graped.core.state import State
from graped.model import SlotId


def report(state: State, clock: Clock, slots: Iterable[SlotId]) -> RecoveryReport:
    """Recovery of some nodes; slots without a device play no part."""
    policy = state.config.recovery
    found = (node(state, clock, slot) for slot in slots)
    return RecoveryReport(
        mode=policy.mode.value,
        max_cycles_per_hour=policy.max_cycles_per_hour,
        held=tuple(
            RecoveryHold(where=where, reason=hold.reason, since=rfc3339(clock.wall_of(hold.since)))
            for where, hold in sorted(state.recovery_holds.items())
        ),
        nodes=tuple(one for one in found if one is not None),
    )


def node(state: State, clock: Clock, slot: SlotId) -> NodeRecovery | None:
    """What recovery thinks of one node; None where no device is configured."""
    device = state.config.cluster.stacks[slot.stack].devices.get(slot.slot)
    if device is None:
        return None
    mode = device.recovery or state.config.recovery.mode
    blank = NodeRecovery(name=state.config.node_name(slot), mode=mode.value, quarantine=device.quarantine or "")
    entry = state.recovery.get(slot)
    return _told(blank, clock, entry, device) if entry or device.quarantine else blank


def _told(blank: NodeRecovery, clock: Clock, entry: Recovery | None, device: Device) -> NodeRecovery:
    entry = entry or Recovery()
    quarantine = device.quarantine or entry.quarantine
    counted = replace(
        blank, cycles=len(of_an_hour(entry, clock.monotonic())), attempts=entry.attempts, quarantine=quarantine
    )
    if quarantine:
        return replace(counted, step="quarantine", why=quarantine)
    if entry.since is None and not (entry.attempts and entry.well_since is None):
        return counted
    return replace(
        counted, step=entry.step.value, trouble=entry.trouble, why=entry.why, evidence=entry.evidence,
        since=_time(entry.began, clock), next_at=_time(entry.next_at, clock),
    )  # fmt: skip


def _time(monotonic: float | None, clock: Clock) -> str | None:
    return None if monotonic is None else rfc3339(clock.wall_of(monotonic))
