"""The core's one door: ``step(state, event, now) -> (state, effects)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

from graped.config.types import Config
from graped.core import asking, boot, chores, guards, overheat, ports, recovery, way
from graped.core.draft import Draft
from graped.core.effects import Effect
from graped.core.events import (
    BootSeen,
    CancelAsked,
    ChoreBegun,
    ChoreEnded,
    ChoreMoved,
    ChoreNodeEnded,
    ConfigChanged,
    DaemonFault,
    Event,
    EvidenceSeen,
    GuardRegistered,
    GuardReleased,
    GuardRemoved,
    GuardTold,
    MetersRead,
    NodesTrusted,
    OverTemperature,
    PortRead,
    PortSwitched,
    PortUnread,
    PowerAsked,
    PowerOnHeld,
    RecoveryReleased,
    SlotsWatched,
    SoftOffChanged,
    SoftOffEnded,
    SoftOffTold,
    SoftRebootEnded,
    StackFound,
    StackLost,
    StageSeen,
    Tick,
)
from graped.core.recovery_types import Recovery
from graped.core.state import Remembered, SlotState, StackState, State
from graped.model import Fault, SlotId


def initial(
    config: Config,
    remembered: Remembered,
    *,
    layouts: dict[int, frozenset[int]],
    next_job: int,
    watched: frozenset[SlotId] = frozenset(),
    cycles: Mapping[SlotId, tuple[float, ...]] = MappingProxyType({}),
) -> State:
    """Build the state before anything was read. ``layouts``: the slots that each stack's driver switches.

    ``watched``: whose boot stages are told, until a ``SlotsWatched`` says otherwise.
    ``cycles``: those that recovery made in the last hour.
    """
    slots = [SlotId(key, slot) for key, numbers in sorted(layouts.items()) for slot in sorted(numbers)]
    return State(
        config=config,
        stacks={key: StackState() for key in config.cluster.stacks},
        slots={slot: SlotState() for slot in slots},
        remembered=remembered,
        next_job=next_job,
        watched=watched & set(slots),
        recovery={slot: Recovery(cycles=times) for slot, times in cycles.items() if slot in slots},
    )


def step(state: State, event: Event, now: float) -> tuple[State, tuple[Effect, ...]]:
    """Take one event into the state; return the next state and what the edges are asked to do.

    ``now`` is monotonic seconds. An event that cannot exist in this state (a late answer) changes nothing.
    """
    draft = Draft(state, now)
    _take(draft, event)
    if isinstance(event, BootSeen):  # thousands in a boot storm, and nothing waits for one: time goes on as it would
        draft.wakes += [state.wake] if state.wake is not None else []
        return draft.done()
    boot.judge_deadlines(draft)
    recovery.judge(draft)
    guards.lapse(draft)
    way.progress(draft)
    overheat.keep_looking(draft)
    return draft.done()


def _take(draft: Draft, event: Event) -> None:
    match event:
        case StackFound():
            ports.stack_found(draft, event)
        case StackLost():
            ports.stack_lost(draft, event)
        case PortRead():
            ports.port_read(draft, event)
        case PortUnread():
            ports.port_unread(draft, event)
        case PortSwitched():
            ports.port_switched(draft, event)
        case MetersRead():
            overheat.meters_read(draft, event)
        case OverTemperature():
            overheat.line_changed(draft, event)
        case StageSeen():
            boot.stage_seen(draft, event)
        case BootSeen():
            boot.boot_seen(draft, event)
        case SlotsWatched():
            boot.watch(draft, event)
        case NodesTrusted():
            _nodes_trusted(draft, event)
        case PowerAsked():
            asking.accept(draft, event)
        case CancelAsked():
            asking.cancel(draft, event)
            chores.cancel(draft, event)
        case ChoreBegun():
            chores.begin(draft, event)
        case ChoreMoved():
            chores.move(draft, event)
        case ChoreNodeEnded():
            chores.end_node(draft, event)
        case ChoreEnded():
            chores.end(draft, event)
        case GuardRegistered() | GuardTold() | GuardReleased() | GuardRemoved():
            guards.take(draft, event)
        case SoftOffChanged():
            draft.other["soft_off"] = event.slots
        case SoftOffTold():
            way.soft_off_told(draft, event)
        case SoftOffEnded():
            way.soft_off_ended(draft, event)
        case EvidenceSeen():
            recovery.evidence_seen(draft, event)
        case SoftRebootEnded():
            recovery.soft_reboot_ended(draft, event)
        case RecoveryReleased():
            recovery.released(draft, event)
        case PowerOnHeld():
            _power_on_held(draft, event)
        case ConfigChanged():
            _config_changed(draft, event.config)
        case DaemonFault():
            _daemon_fault(draft, event)
        case Tick():
            pass
        case _:
            assert_never(event)


def _config_changed(draft: Draft, config: Config) -> None:
    """Take a new configuration. Stacks come and go with a restart only: the core goes on with those it knows."""
    old, new = draft.before.config.cluster.stacks, config.cluster.stacks
    stacks = {key: new.get(key, stack) for key, stack in old.items()}
    draft.config = draft.other["config"] = replace(config, cluster=replace(config.cluster, stacks=stacks))
    draft.visible = True


def _nodes_trusted(draft: Draft, event: NodesTrusted) -> None:
    if event.slots != draft.before.trusted:
        draft.other["trusted"] = event.slots
        draft.visible = True


def _power_on_held(draft: Draft, event: PowerOnHeld) -> None:
    """Hold back what is to come on, or let it go; said once each."""
    if event.reason == draft.before.held:
        return
    draft.other["held"] = event.reason
    draft.visible = True
    if event.reason:
        draft.log("power.held", f"nothing is switched on: {event.reason}")
    else:
        draft.log("power.released", "slots are switched on again")


def _daemon_fault(draft: Draft, event: DaemonFault) -> None:
    """Say a fault of the daemon itself once, and its end once."""
    faults = dict(draft.before.faults)
    old = faults.get(event.code)
    if event.message and (old is None or old.message != event.message):
        since = old.since if old else draft.now
        faults[event.code] = Fault(code=event.code, message=event.message, since=since, hint=event.hint)
        draft.log(f"fault.{event.code}", event.message, hint=event.hint)
    elif not event.message and old is not None:
        del faults[event.code]
        draft.log(f"healed.{event.code}", f"works again after {draft.now - old.since:.0f} s: {old.message}")
    else:
        return
    draft.other["faults"] = faults
    draft.visible = True
