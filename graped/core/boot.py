"""Boot stages of a node, by evidence only, the timeline of its boot, and the gate that lets the next slots go.

| is at        | evidence for         | becomes                                                                  |
|--------------|----------------------|--------------------------------------------------------------------------|
| any          | a later stage        | that stage; what lies between was not seen                               |
| any          | an earlier stage     | as it was: boot loaders ask again, and each next one asks for itself     |
| kernel to up | dhcp or tftp         | that stage, in a new boot: the node started again with its power on      |
| lost         | dhcp, tftp or kernel | the same                                                                 |
| up           | lost                 | lost; any other: as it was                                               |

A stage has a deadline. A node beyond it is *late*: said once with the reason and a hint, and over with its next stage.

A slot that comes on holds a place at the boot gate until its node leaves ``tftp`` (any later stage) or is late; while
it holds one, ``power.boot_gate_s`` is a deadline too. Nodes whose stages nobody tells, and those that boot from their
own disk, load nothing from the master: they hold none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from graped.config.addresses import SLOTS_A_STACK
from graped.config.types import Boot, Config, Device
from graped.core.draft import Draft
from graped.core.events import BootFact, BootSeen, SlotsWatched, StageSeen
from graped.core.lateness import patience_s, why_late
from graped.core.state import BootCounts, SlotState, StageMark, State
from graped.model import Power, SlotId, Stage

PAST_THE_GATE: Final = frozenset({Stage.KERNEL, Stage.ROOT, Stage.UP})
_FIRST_SIGNS: Final = frozenset({Stage.DHCP, Stage.TFTP})  # of a boot loader: no running system sends them
_ORDER: Final = (Stage.POWERED, Stage.DHCP, Stage.TFTP, Stage.KERNEL, Stage.ROOT, Stage.UP)
_RANK: Final = {None: -1, Stage.OFF: -1} | {stage: rank for rank, stage in enumerate(_ORDER)} | {Stage.LOST: 9}
NO_EVIDENCE: Final = "no evidence since graped came"
NOT_WATCHED: Final = "nothing tells its boot stages"
_SHOWN_CHARS: Final = 120  # of a file name that a node asked for


def device_of(config: Config, slot: SlotId) -> Device | None:
    """Give the device that is configured in a slot."""
    stack = config.cluster.stacks.get(slot.stack)
    return stack.devices.get(slot.slot) if stack else None


def waits_for_boot(draft: Draft, slot: SlotId) -> bool:
    """Whether a slot that comes on holds a place at the boot gate."""
    return slot in draft.watched and _loads_from_master(draft.config, slot)


def holds_gate(state: State, slot: SlotId) -> bool:
    """Whether a slot would hold a place at the boot gate if it came on."""
    return slot in state.watched and _loads_from_master(state.config, slot)


def _loads_from_master(config: Config, slot: SlotId) -> bool:
    device = device_of(config, slot)
    return device is not None and device.boot is Boot.NETWORK


def came_on(draft: Draft, slot: SlotId, at: float) -> None:
    """Begin the boot of a slot that came on."""
    gate_open = not waits_for_boot(draft, slot)
    draft.set_slot(slot, on_since=at, gate_open=gate_open, **_no_boot(draft.slots[slot], None, at, NOT_WATCHED))
    if slot in draft.watched:
        mark = StageMark(stage=Stage.POWERED, at=at, evidence="its port")
        draft.set_slot(slot, stage=Stage.POWERED, stage_reason="", timeline=(mark,))


def went_off(draft: Draft, slot: SlotId, at: float) -> None:
    """End whatever boot there was."""
    old = draft.slots[slot]
    since = old.stage_since if old.stage is Stage.OFF else at
    draft.set_slot(slot, on_since=None, gate_open=True, **_no_boot(old, Stage.OFF, since, ""))


def came_on_unseen(draft: Draft, slot: SlotId, at: float) -> None:
    """A slot is on, and nobody saw how: nothing is known of its boot."""
    draft.set_slot(slot, gate_open=True, **_no_boot(draft.slots[slot], None, at, "came on unseen"))


def adopted(draft: Draft, slot: SlotId, at: float) -> None:
    """A slot was on when graped came: what its node does there is shown by evidence from now on."""
    if draft.slots[slot].stage is None and not draft.slots[slot].stage_reason:
        reason = NO_EVIDENCE if slot in draft.watched else NOT_WATCHED
        draft.set_slot(slot, stage_since=at, stage_reason=reason)


def _no_boot(slot: SlotState, stage: Stage | None, since: float | None, reason: str) -> dict[str, Any]:
    """Forget a boot; what a node is stays known."""
    return {
        "stage": stage, "stage_since": since, "stage_reason": reason,
        "timeline": (), "boot": BootCounts(model=slot.boot.model), "late": "", "late_hint": "",
    }  # fmt: skip


def watch(draft: Draft, event: SlotsWatched) -> None:
    """Take over whose stages are told from now on; the others hold nobody back and are never late."""
    if event.slots == draft.watched:
        return
    draft.watched = draft.other["watched"] = event.slots
    for slot in draft.slots.keys() - event.slots:
        draft.set_slot(slot, gate_open=True, late="", late_hint="")


def stage_seen(draft: Draft, event: StageSeen) -> None:
    """Take evidence for a node's stage; a slot that is off has none, and that it is off is power's to say."""
    slot = draft.slots.get(event.slot)
    if slot is None or slot.observed is Power.OFF or event.stage is Stage.OFF:
        return
    if event.stage is None:
        _nothing_known(draft, event.slot, event.evidence)
    elif event.initial and slot.on_since is None and event.stage is not Stage.UP:
        if slot.stage is None:
            _nothing_known(draft, event.slot, NO_EVIDENCE)
    elif event.stage is slot.stage:
        draft.set_slot(event.slot, stage_reason=event.evidence)  # the same stage again is no progress
    elif _starts_again(slot.stage, event.stage):
        draft.log("node.restarted", f"{draft.name(event.slot)} started again by itself", slot=event.slot)
        draft.set_slot(event.slot, timeline=(), boot=BootCounts(model=slot.boot.model))
        _reach(draft, event.slot, event)
    elif _comes_further(slot.stage, event.stage):
        _reach(draft, event.slot, event)


def _starts_again(now: Stage | None, seen: Stage) -> bool:
    if now is Stage.LOST:
        return seen in _FIRST_SIGNS or seen is Stage.KERNEL
    return now in PAST_THE_GATE and seen in _FIRST_SIGNS


def _comes_further(now: Stage | None, seen: Stage) -> bool:
    if seen is Stage.LOST:
        return now is Stage.UP
    if now is Stage.LOST:
        return seen is Stage.UP
    return _RANK[seen] > _RANK[now]


def _reach(draft: Draft, where: SlotId, event: StageSeen) -> None:
    slot, stage = draft.slots[where], event.stage
    assert stage is not None
    draft.set_slot(
        where, stage=stage, stage_since=draft.now, stage_reason=event.evidence, late="", late_hint="",
        gate_open=slot.gate_open or stage in PAST_THE_GATE,
        timeline=_marked(slot.timeline, StageMark(stage=stage, at=draft.now, evidence=event.evidence)),
    )  # fmt: skip
    if not event.initial:
        how = "is lost" if stage is Stage.LOST else f"reached {stage.value}"
        notes = [event.evidence] if event.evidence else []
        notes += ["late"] if slot.late else []
        text = f"{draft.name(where)} {how}" + (f" ({', '.join(notes)})" if notes else "")
        draft.log(f"stage.{stage.value}", text, slot=where)


def _marked(timeline: tuple[StageMark, ...], mark: StageMark) -> tuple[StageMark, ...]:
    """Add a mark; a node that was lost and is back has the timeline of its boot, however often that happens."""
    if timeline and timeline[-1].stage is Stage.LOST:
        timeline = timeline[:-1]
        return timeline if timeline and timeline[-1].stage is mark.stage else (*timeline, mark)
    return (*timeline, mark)


def _nothing_known(draft: Draft, where: SlotId, reason: str) -> None:
    slot = draft.slots[where]
    since = slot.stage_since if slot.stage is None else draft.now
    draft.set_slot(where, **_no_boot(slot, None, since, reason))


def boot_seen(draft: Draft, event: BootSeen) -> None:
    """Count what a node asked for and got since its power came on or it started again."""
    slot = draft.slots.get(event.slot)
    if slot is None or (slot.observed is Power.OFF and event.what is not BootFact.MODEL):
        return
    counts = slot.boot
    match event.what:
        case BootFact.DISCOVER:
            counts = replace(counts, discovers=counts.discovers + 1, discover_at=draft.now)
        case BootFact.FILE:
            counts = replace(
                counts, files=counts.files + 1, file_bytes=counts.file_bytes + event.size_bytes,
                last_file=event.path[:_SHOWN_CHARS], missing="",
            )  # fmt: skip
        case BootFact.MISSING:
            counts = replace(counts, missing=event.path[:_SHOWN_CHARS])
        case BootFact.MODEL:
            pass
    if event.model is not None:
        counts = replace(counts, model=event.model)
    draft.set_slot(event.slot, boot=counts)
    device = device_of(draft.config, event.slot)
    if slot.late and device is not None:  # it was said once; what is shown stays true
        reason, hint = why_late(draft.config, event.slot, device, draft.slots[event.slot])
        draft.set_slot(event.slot, late=reason, late_hint=hint)


def judge_deadlines(draft: Draft) -> None:
    """Say which nodes are late, and free the places of those that hold one for too long."""
    for slot, state in draft.slots.items():
        if slot in draft.watched and state.observed is Power.ON and not state.late:
            _judge_stage(draft, slot, state)
        if not draft.slots[slot].gate_open:
            _judge_gate(draft, slot)


def _judge_stage(draft: Draft, slot: SlotId, state: SlotState) -> None:
    device = device_of(draft.config, slot)
    patience = patience_s(draft.config, device, state.stage)
    if device is None or patience is None or state.stage_since is None:
        return
    if not state.gate_open:
        patience = min(patience, draft.config.power.boot_gate_s)
    if draft.now < state.stage_since + patience:
        draft.wake_at(state.stage_since + patience)
        return
    reason, hint = why_late(draft.config, slot, device, state)
    draft.set_slot(slot, late=reason, late_hint=hint, gate_open=True)
    draft.log("stage.late", f"{draft.name(slot)}: {reason}", slot=slot, hint=hint, after_s=patience)


def _judge_gate(draft: Draft, slot: SlotId) -> None:
    """Free the place of a slot that may be on, as nobody can tell: its stack can be silent for ever."""
    state, patience = draft.slots[slot], draft.config.power.boot_gate_s
    if state.observed is Power.OFF:
        return
    last = max(state.on_since or 0.0, state.stage_since or 0.0)
    if draft.now < last + patience:
        draft.wake_at(last + patience)
        return
    draft.set_slot(slot, gate_open=True)
    draft.log("gate.freed", f"{draft.name(slot)}: no sign of it for {patience:g} s; others go on", slot=slot)


def watchable(config: Config) -> frozenset[SlotId]:
    """Give the slots whose stages the network can tell: nodes that boot over it, and local ones with an address."""
    return frozenset(
        slot
        for key, stack in config.cluster.stacks.items()
        for number, device in stack.devices.items()
        if _is_watchable(config, slot := SlotId(key, number), device)
    )


def _is_watchable(config: Config, slot: SlotId, device: Device) -> bool:
    served = config.netboot.active and device.mac is not None and slot.slot < SLOTS_A_STACK
    return served or (device.boot is Boot.LOCAL and device.address is not None)
