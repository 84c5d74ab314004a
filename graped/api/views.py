"""What the contract says of a snapshot: core values in, contract types out. Pure but for the clock's ``wall_of``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graped.api import recovery_views, types
from graped.api.nodesets import configured
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.config.addresses import address_of
from graped.config.types import Boot, Device
from graped.core.state import BootCounts, StackState, State
from graped.model import Fault, Power, Reading, SlotId

Brief = Callable[[SlotId], types.NodeBrief | None]
STALE_POLLS = 3  # a meter that was not read for so many polls is stale


def _nothing(_: SlotId) -> None:
    """Know no facts."""


def status(state: State, clock: Clock, *, simulated: bool) -> types.Status:
    """The whole cluster."""
    return types.Status(
        revision=state.revision,
        cluster=state.config.cluster.name,
        simulated=simulated,
        time=rfc3339(clock.wall()),
        stacks=stacks(state, clock),
        nodes=nodes(state, clock, state.slots),
        faults=faults(state, clock),
        counters=counters(state),
    )


def nodes(state: State, clock: Clock, slots: Iterable[SlotId], brief: Brief = _nothing) -> tuple[types.Node, ...]:
    """Some slots and the nodes in them; ``brief`` tells some facts of a node."""
    return tuple(node(state, clock, slot, brief) for slot in slots)


def node(state: State, clock: Clock, slot: SlotId, brief: Brief = _nothing) -> types.Node:
    """One slot and the node in it."""
    now = state.slots[slot]
    stack = state.stacks[slot.stack]
    device = state.config.cluster.stacks[slot.stack].devices.get(slot.slot)
    why = now.fault
    if why is None and now.observed is Power.UNKNOWN:
        why = stack.fault  # what keeps us from knowing
    return types.Node(
        name=state.config.node_name(slot),
        stack=slot.stack,
        slot=slot.slot,
        mac=device.mac if device else None,
        configured=configured(state, slot),
        watts=state.config.watts_of(slot),
        power=types.NodePower(
            desired=None if now.desired is None else "on" if now.desired is Power.ON else "off",
            observed=now.observed.value,
            fault=_fault(why, clock),
            since=_time(now.since, clock),
            read_at=_time(stack.read_at, clock),
        ),
        stage=now.stage.value if now.stage else None,
        stage_reason=now.stage_reason,
        stage_since=_time(now.stage_since, clock),
        watched=slot in state.watched,
        timeline=tuple(
            types.StageMark(stage=mark.stage.value, at=rfc3339(clock.wall_of(mark.at)), evidence=mark.evidence)
            for mark in now.timeline
        ),
        fetched=_fetched(now.boot),
        late=now.late,
        late_hint=now.late_hint,
        recovery=recovery_views.node(state, clock, slot),
        job=state.claims.get(slot),
        facts=brief(slot),
        **_served(state, slot, device, now.boot),
    )


def _fetched(counts: BootCounts) -> types.Fetched:
    return types.Fetched(
        discovers=counts.discovers,
        files=counts.files,
        file_bytes=counts.file_bytes,
        last_file=counts.last_file,
        missing=counts.missing,
    )


def _served(state: State, slot: SlotId, device: Device | None, counts: BootCounts) -> dict[str, Any]:
    """Say where a node boots from and what it is served, as configured; nothing of an empty slot."""
    if device is None:
        return {}
    net = state.config.netboot
    address, model = address_of(state.config, slot), device.model or counts.model
    networked = device.boot is Boot.NETWORK
    return {
        "address": None if address is None else str(address),
        "trusted": None if address is None else slot in state.trusted,
        "boot": device.boot.value,
        "role": device.role.value,
        "model": model.value if model else None,
        "image": (device.image or net.image) if networked else None,
        "strategy": (device.strategy or net.strategy).value if networked else None,
    }


def stacks(state: State, clock: Clock) -> tuple[types.Stack, ...]:
    """All stacks."""
    drawn: dict[int, float] = {}
    slots: dict[int, list[int]] = {}
    for slot, now in state.slots.items():
        slots.setdefault(slot.stack, []).append(slot.slot)
        if now.observed is Power.ON:
            drawn[slot.stack] = drawn.get(slot.stack, 0.0) + state.config.watts_of(slot)
    return tuple(
        _stack(state, clock, key, tuple(sorted(slots.get(key, ()))), drawn.get(key, 0.0))
        for key in sorted(state.stacks)
    )


def _stack(state: State, clock: Clock, key: int, slots: tuple[int, ...], drawn: float) -> types.Stack:
    now, config = state.stacks[key], state.config.cluster.stacks[key]
    return types.Stack(
        id=key,
        driver=config.driver,
        bus=now.bus,
        address=now.address,
        state=now.condition.value,
        fault=_fault(now.fault, clock),
        read_at=_time(now.read_at, clock),
        meters=meters(state, clock, now),
        meters_missing=dict(now.meters_missing),
        budget_watts=config.budget_watts,
        expected_watts=drawn,
        slots=slots,
    )


def meters(state: State, clock: Clock, stack: StackState) -> dict[str, types.Meter]:
    """The newest readings of a stack, by kind."""
    oldest = clock.monotonic() - STALE_POLLS * state.config.poll.meters_s
    return {kind.value: _meter(one, clock, oldest) for kind, one in stack.meters.items()}


def _meter(reading: Reading, clock: Clock, oldest: float) -> types.Meter:
    return types.Meter(
        value=reading.value, unit=reading.kind.unit, at=rfc3339(clock.wall_of(reading.at)), stale=reading.at < oldest
    )


def stack_meters(state: State, clock: Clock) -> tuple[types.StackMeters, ...]:
    """The meters of all stacks."""
    return tuple(
        types.StackMeters(
            stack=key, meters=meters(state, clock, stack), meters_missing=dict(stack.meters_missing)
        )
        for key, stack in sorted(state.stacks.items())
    )  # fmt: skip


def faults(state: State, clock: Clock) -> tuple[types.Fault, ...]:
    """What is wrong with the daemon itself."""
    return tuple(one for fault in state.faults.values() if (one := _fault(fault, clock)))


def counters(state: State) -> types.Counters:
    """What happened on the wire."""
    counts = state.counts
    return types.Counters(
        writes=counts.writes,
        repairs=counts.repairs,
        changed_before_write=counts.changed_before_write,
        changed_by_itself=counts.changed_by_itself,
        bus_errors=counts.bus_errors,
    )


def _fault(fault: Fault | None, clock: Clock) -> types.Fault | None:
    if fault is None:
        return None
    since = rfc3339(clock.wall_of(fault.since))
    return types.Fault(code=fault.code, message=fault.message, since=since, hint=fault.hint)


def _time(monotonic: float | None, clock: Clock) -> str | None:
    return None if monotonic is None else rfc3339(clock.wall_of(monotonic))
