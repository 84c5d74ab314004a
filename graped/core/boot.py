"""Boot stages of a node, by evidence only, and the gate that lets the next slots go.

A slot's gate opens when its node leaves ``tftp`` (any later stage), is ``up``, or shows no progress for
``power.boot_gate_s``. A slot without a configured node, or a daemon that nobody tells stages, has no gate.
"""

from __future__ import annotations

from graped.config.types import Config
from graped.core.draft import Draft
from graped.core.events import StageSeen
from graped.model import Power, SlotId, Stage

PAST_THE_GATE = frozenset({Stage.KERNEL, Stage.ROOT, Stage.UP})


def waits_for_boot(draft: Draft, slot: SlotId) -> bool:
    """Whether a slot that comes on holds a place at the boot gate."""
    return draft.before.boot_evidence and holds_gate(draft.config, slot)


def holds_gate(config: Config, slot: SlotId) -> bool:
    """Whether a node is configured in a slot: others have no boot that could be seen."""
    stack = config.cluster.stacks.get(slot.stack)
    return stack is not None and slot.slot in stack.devices


def stage_seen(draft: Draft, event: StageSeen) -> None:
    """Take evidence for a node's stage; a slot that is off has none."""
    slot = draft.slots.get(event.slot)
    if slot is None or slot.observed is Power.OFF:
        return
    stage, reason = event.stage, event.evidence
    if event.initial and slot.on_since is None and stage is not Stage.UP:
        stage, reason = None, "no evidence since graped came"
    if stage is slot.stage and reason == slot.stage_reason:
        return
    # A node that falls back from tftp is in a boot loop: it has left tftp, and would hold its place for ever.
    opened = slot.gate_open or stage in PAST_THE_GATE or (slot.stage is Stage.TFTP and stage not in (Stage.TFTP, None))
    since = slot.stage_since if stage is slot.stage else draft.now  # the same stage again is no progress
    draft.set_slot(event.slot, stage=stage, stage_since=since, stage_reason=reason, gate_open=opened)
    if stage is slot.stage:
        return
    if stage not in (None, Stage.OFF) and not event.initial:  # that it is off is power's to say
        text = f"{draft.name(event.slot)} reached {stage.value}" + (f" ({reason})" if reason else "")
        draft.log(f"stage.{stage.value}", text, slot=event.slot)


def open_late_gates(draft: Draft) -> None:
    """Free the place of nodes that show no progress, and say so."""
    patience = draft.config.power.boot_gate_s
    for slot, state in draft.slots.items():
        if state.gate_open or state.observed is Power.OFF:
            continue  # a slot that may be on counts: its stack can be silent for ever
        last = max(state.on_since or 0.0, state.stage_since or 0.0)
        if draft.now < last + patience:
            draft.wake_at(last + patience)
            continue
        where = state.stage.value if state.stage else "power-on"
        reason = f"no progress since {where} for {patience:g} s"
        draft.set_slot(slot, gate_open=True, stage_reason=reason)
        draft.log("stage.late", f"{draft.name(slot)}: {reason}; others go on", slot=slot)
