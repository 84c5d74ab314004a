"""Take back what the record tells, the last first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from graped.errors import GrapeError
from master_setup.machine import Machine
from master_setup.record import Entry, Record
from master_setup.wants.base import Kept, rebuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """What was taken back, what stays and why, and what failed."""

    undone: int
    kept: tuple[str, ...]
    failed: tuple[str, ...]
    backups: frozenset[str] = frozenset()  # names of those that stay, for what stays


def undo(machine: Machine, record: Record, entry: Entry) -> None:
    """Undo one entry and forget it, also where something of it stays. Raises Kept, GrapeError, OSError."""
    if entry.was is not None:
        try:
            rebuilt(entry.kind, entry.fields).undo(machine, record.memory(entry.key))
        except Kept:
            record.forget(entry.key)
            raise
    record.forget(entry.key)


def revert(machine: Machine, record: Record, *, without: Collection[str] = ()) -> Reverted:
    """Undo all entries but packages, which ``finishing`` sees to; a failure does not keep the others from it."""
    undone, failed, kept, backups = 0, [], [], set()
    for entry in list(reversed(record.entries.values())):
        if entry.kind == "packages" or entry.step in without:
            continue
        machine.say(f"{entry.step}: undo {entry.key}")
        try:
            undo(machine, record, entry)
        except Kept as word:
            kept.append(str(word))
            backups.add(word.backup)
        except (GrapeError, OSError) as error:
            failed.append(f"step {entry.step}, {entry.key}: {error}")
            continue
        undone += 1
    return Reverted(undone=undone, kept=tuple(kept), failed=tuple(failed), backups=frozenset(backups - {""}))
