"""When nobody is recovered, because the cause is not the nodes; and who proves that the way to a node is sound.

| held  | because                                                                      |
|-------|------------------------------------------------------------------------------|
| all   | a fault of our own DHCP, TFTP, NFS or interface; nothing may be switched on  |
| stack | more than ``mass_fraction`` of its nodes came into trouble within the window |
| all   | the same of all nodes: one stack that is held for itself is left out         |
| all   | several nodes should run, none is up and none boots: nobody to compare with  |

A hold is told when it keeps a node from being recovered, and once; its end once, too. It ends ``patience_s`` after its
cause, or when nobody is in trouble any more; who is in trouble then has its patience from there. One node alone is
never a mass. Nodes that were cycled in vain already, and those in quarantine, are no measure for others.

Whatever is done to a node, another one has to prove first that the way is sound: an outage is not known at once. One of
its stack that is up, or where the stack has none but it, any that is up, is looked at, and has to answer by SSH. The
only node that should run has nobody, and does without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from graped.core.draft import Draft
from graped.core.recovery_evidence import answers
from graped.core.recovery_trouble import Cast
from graped.core.recovery_types import Look, Recovery, RecoveryHold
from graped.model import SlotId

ALL: Final = "all"
OURS: Final = ("dhcp", "dhcp_rival", "tftp", "nfs", "netboot.interface", "netboot.exports", "netboot.supervisor")
WITNESSES: Final = 2  # looked at for one node: one of them may be about to be lost itself
_LEAST: Final = 2


class Proof(StrEnum):
    """What is known of the way to a node."""

    SOUND = "sound"
    OPEN = "open"  # not known yet
    BROKEN = "broken"  # those that are up do not answer either


def key_of(stack: int) -> str:
    """Name the hold of a stack."""
    return f"stack {stack}"


def covering(holds: Mapping[str, RecoveryHold], slot: SlotId) -> RecoveryHold | None:
    """Give the hold that keeps a node from being recovered."""
    return holds.get(ALL) or holds.get(key_of(slot.stack))


def causes(
    draft: Draft, cast: Cast, entries: Mapping[SlotId, Recovery], holds: Mapping[str, RecoveryHold]
) -> dict[str, str]:
    """Say which holds there have to be now, and why. ``holds``: those that there are."""
    if ours := _ours(draft):
        return {ALL: ours}
    found = _masses(draft, cast, entries)
    everybody = sum(map(len, cast.up.values())) + sum(cast.booting.values())
    if ALL not in found and not everybody and cast.wanted >= _LEAST:
        found[ALL] = f"none of {cast.wanted} nodes is up: nothing proves that the way to them is sound"
    if found and ALL in holds:
        found.setdefault(ALL, holds[ALL].reason)  # as long as a stack of it has not come back
    if ALL in found:
        return {key: reason for key, reason in found.items() if key == ALL or key in holds}
    return found


def _masses(draft: Draft, cast: Cast, entries: Mapping[SlotId, Recovery]) -> dict[str, str]:
    """Find the stacks of which many came into trouble together, and whether all did.

    What is wrong with one stack says nothing of the others: these are judged without it.
    """
    began: dict[int, list[float]] = {}
    for slot in cast.trouble:
        entry = entries[slot]
        if entry.began is not None and not entry.attempts:
            began.setdefault(slot.stack, []).append(entry.began)
    well = {
        stack: len(cast.up.get(stack, ())) + cast.booting.get(stack, 0)
        for stack in cast.up.keys() | cast.booting.keys() | began.keys()
    }
    policy, found = draft.config.recovery, {}
    massed = set()
    for stack, times in sorted(began.items()):
        if count := _together(times, well[stack], policy.mass_fraction, policy.mass_window_s):
            massed.add(stack)
            reason = f"{count} of {count + well[stack]} nodes of stack {stack} came into trouble together"
            found[key_of(stack)] = reason
    rest = well.keys() - massed if len(massed) == 1 else well.keys()
    times = [at for stack in rest for at in began.get(stack, ())]
    others = sum(well[stack] for stack in rest)
    if count := _together(times, others, policy.mass_fraction, policy.mass_window_s):
        found[ALL] = f"{count} of {count + others} nodes came into trouble together"
    return found


def _ours(draft: Draft) -> str:
    if draft.held:
        return draft.held
    for code in OURS:
        if fault := draft.before.faults.get(code):
            return f"{code}: {fault.message}"
    return ""


def _together(times: list[float], others: int, fraction: float, window_s: float) -> int:
    """Count the most that came into trouble within the window, if that is more than the part; else 0."""
    times.sort()
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] > window_s:
            first += 1
        most = max(most, last - first + 1)
    return most if most >= _LEAST and most > fraction * (most + others) else 0


def witnesses(cast: Cast, slot: SlotId, *, alone: bool) -> list[SlotId]:
    """Name who may prove the way to a node. ``alone``: it was cycled in vain, so that any other will do."""
    near = cast.up.get(slot.stack, [])
    if near and not alone:
        return near[:WITNESSES]
    if cast.booting.get(slot.stack) and not alone:
        return []  # they will show it
    return (near + [one for stack, ups in cast.up.items() if stack != slot.stack for one in ups[:WITNESSES]])[
        :WITNESSES
    ]


def proof(cast: Cast, looks: Mapping[SlotId, Look], asked: Iterable[SlotId], fresh_from: float) -> Proof:
    """Say what the witnesses of a node prove."""
    if cast.wanted < _LEAST:
        return Proof.SOUND
    seen = [look.seen for slot in asked if (look := looks.get(slot)) and look.seen and look.seen.at >= fresh_from]
    if any(map(answers, seen)):
        return Proof.SOUND
    return Proof.BROKEN if seen else Proof.OPEN
