"""Make the machine as wanted: one want after the other, each remembered before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graped.errors import GrapeError
from master_setup import planning, reverting
from master_setup.machine import Machine
from master_setup.planning import Wanted
from master_setup.record import Record
from master_setup.wants.base import Kept, fields_of, kind_of


class StepFailed(GrapeError):
    """A want of a step could not be made. What was made before it stays; the next apply goes on from there."""

    code = "step_failed"
    title = "A step of the set-up has failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many changes were made, and what could not be undone of what is not wanted any more."""

    changes: int
    kept: tuple[str, ...] = ()


def apply(machine: Machine, wants: Sequence[Wanted], record: Record) -> Applied:
    """Make all that differs; stop at the first failure. Raises StepFailed, with step, want, cause and hint."""
    changes, kept = 0, []
    for entry in planning.obsolete(record, wants):
        machine.say(f"{entry.step}: undo {entry.key}")
        try:
            reverting.undo(machine, record, entry)
        except Kept as word:
            kept.append(str(word))
        except (GrapeError, OSError) as error:
            raise _failed(entry.step, entry.key, error) from error
        changes += 1
    for each in wants:
        changes += _make(machine, each, record)
    return Applied(changes=changes, kept=tuple(kept))


def _make(machine: Machine, each: Wanted, record: Record) -> int:
    """Make one want where it differs; return the number of changes."""
    want = each.want
    try:
        difference = planning.compare(machine, each, record)
        if difference is None:
            return 0
        machine.say(f"{each.step}: {difference.summary}")
        want.make(machine, record.open(want.key, kind_of(want), each.step, fields_of(want)))
        left = want.differs(machine)
    except (GrapeError, OSError) as error:
        raise _failed(each.step, want.key, error) from error
    if left is not None:
        cause = GrapeError(f"it was done, and still differs: {left.summary}", hint="Look at what else changes it.")
        raise _failed(each.step, want.key, cause)
    return 1


def _failed(step: str, key: str, error: Exception) -> StepFailed:
    if isinstance(error, StepFailed):
        return error
    hint = error.hint if isinstance(error, GrapeError) else ""
    words = str(error)
    if isinstance(error, GrapeError) and words.startswith(f"step {step}, {key}: "):
        words = words.removeprefix(f"step {step}, {key}: ")
    return StepFailed(
        f"step {step}, {key}: {words}",
        hint=f"{hint} What was done before stays; apply again goes on from here.".strip(),
        step=step,
        want=key,
    )
