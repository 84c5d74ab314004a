"""When a node in trouble is asked to start again, power-cycled, or quarantined."""

from __future__ import annotations

from dataclasses import replace

from graped.core.draft import Draft
from graped.core.events import EvidenceSeen, SoftRebootEnded


def evidence_seen(draft: Draft, event: EvidenceSeen) -> None:
    """Take what a look at a node found; one that nobody asked for is passed over."""
    look = draft.before.looks.get(event.slot)
    if look is not None:
        draft.other["looks"] = {**draft.before.looks, event.slot: replace(look, seen=event)}


def soft_reboot_ended(draft: Draft, event: SoftRebootEnded) -> None:
    """Take whether a node could be asked to start again."""
    entry = draft.before.recovery.get(event.slot)
    if entry is not None and not event.done:
        changed = replace(entry, soft_failed=event.note or "it does not obey")
        draft.other["recovery"] = {**draft.before.recovery, event.slot: changed}
        draft.visible = True
