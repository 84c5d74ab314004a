"""How a node's record goes on. Pure."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import Final

from graped.config.types import Strategy
from graped.errors import Conflict, NotFound, RequestError
from graped.netboot.roots.records import Kept, Origin, RootRecord

AUTOMATIC_KEPT: Final = 3  # roots that nobody asked to keep: so many of a node, the newest
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", re.ASCII)
_AUTOMATIC: Final = re.compile(rf"({'|'.join(Origin)})-[0-9]+", re.ASCII)


def successor(former: RootRecord | None, new: RootRecord, by: Origin, now: float) -> RootRecord:
    """Make ``new`` current; the former root is kept, and served until the node has left it."""
    if former is None:
        return new
    kept = tuple(one for one in former.kept if one.generation != new.generation)
    if former.strategy is not Strategy.EPHEMERAL:  # it has nothing that could be kept
        kept += (_kept(former, f"{by}-{former.generation}", by, now),)
    serving = dict.fromkeys((*former.serving, former.generation))
    serving.pop(new.generation, None)
    return replace(new, kept=kept, serving=tuple(serving))


def with_snapshot(record: RootRecord, generation: str, label: str, now: float) -> RootRecord:
    """Add a snapshot of the current root. Raises RequestError for a bad label, Conflict where it is taken."""
    check_label(label)
    if any(one.label == label for one in record.kept):
        raise Conflict(f"{record.node} has a snapshot {label} already", hint="Choose another label.")
    one = replace(_kept(record, label, Origin.SNAPSHOT, now), generation=generation)
    return replace(record, kept=(*record.kept, one), next=int(generation) + 1)


def check_label(label: str) -> None:
    """Refuse what is no label of a snapshot. Raises RequestError."""
    if not _LABEL.fullmatch(label) or _AUTOMATIC.fullmatch(label):
        raise RequestError(
            f"{label[:80]!r} is no label for a snapshot",
            hint="Letters, digits, '.', '_' and '-', at most 48; not as graped's own, reset-3.",
        )


def find_kept(record: RootRecord, label: str | None) -> Kept:
    """Find what to go back to: by label, else the newest. Raises NotFound."""
    if not record.kept:
        raise NotFound(f"{record.node} has no root to go back to", hint="grapecli node snapshot makes one.")
    if label is None:
        return record.kept[-1]
    found = next((one for one in record.kept if one.label == label), None)
    if found is None:
        labels = [one.label for one in record.kept]
        near = difflib.get_close_matches(label, labels, n=1) or labels[-1:]
        raise NotFound(f"{record.node} has no snapshot {label}", hint=f"It has {', '.join(labels)}; meant {near[0]}?")
    return found


def pruned(record: RootRecord) -> RootRecord:
    """Let go of the oldest roots that nobody asked to keep."""
    automatic = [one for one in record.kept if one.by is not Origin.SNAPSHOT]
    gone = automatic[: max(0, len(automatic) - AUTOMATIC_KEPT)]
    return replace(record, kept=tuple(one for one in record.kept if one not in gone))


def without_kept(record: RootRecord, label: str) -> RootRecord:
    """Let go of one. Raises NotFound."""
    gone = find_kept(record, label)
    return replace(record, kept=tuple(one for one in record.kept if one is not gone))


def _kept(record: RootRecord, label: str, by: Origin, now: float) -> Kept:
    return Kept(
        generation=record.generation, label=label, image=record.image, strategy=record.strategy, made=now, by=by
    )
