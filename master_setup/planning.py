"""What would change: each want compared with the machine, and what is not wanted any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.machine import Machine
from master_setup.options import Options
from master_setup.record import Entry, Record
from master_setup.steps import STEPS
from master_setup.steps.base import Step
from master_setup.wants import Difference, Want


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a plan. ``want`` None: the entry of that key is undone."""

    step: str
    key: str
    want: Want | None
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One want and the step it belongs to."""

    step: str
    want: Want


def wanted(facts: Facts, options: Options, steps: Sequence[Step] = STEPS) -> tuple[Wanted, ...]:
    """Return all that is wanted, in order. Raises ValueError where two wants have one key."""
    found = tuple(Wanted(step=step.NAME, want=want) for step in steps for want in step.wants(facts, options))
    keys = [each.want.key for each in found]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"wanted twice: {', '.join(sorted(twice))}")
    return found


def notes(facts: Facts, options: Options, steps: Sequence[Step] = STEPS) -> list[str]:
    """Return what the administrator has to know or to do beside the plan; a step may say so by ``notes``."""
    said = (getattr(step, "notes", None) for step in steps)
    return [line for say in said if say is not None for line in say(facts, options)]


def obsolete(record: Record, wants: Sequence[Wanted]) -> tuple[Entry, ...]:
    """Return what was made and is not wanted any more, in the order in which it is undone."""
    keys = {each.want.key for each in wants}
    gone = [entry for entry in record.entries.values() if entry.key not in keys and entry.kind != "packages"]
    return tuple(reversed(gone))


def changes(machine: Machine, wants: Sequence[Wanted], record: Record) -> Iterator[Change]:
    """Yield what differs, in the order in which it would be changed. Raises GrapeError with step and want in it."""
    for entry in obsolete(record, wants):
        yield Change(step=entry.step, key=entry.key, want=None, difference=Difference(summary=f"undo {entry.key}"))
    for each in wants:
        difference = compare(machine, each, record)
        if difference is not None:
            yield Change(step=each.step, key=each.want.key, want=each.want, difference=difference)


def compare(machine: Machine, each: Wanted, record: Record) -> Difference | None:
    """Compare one want; one whose last change did not come to its end differs, whatever it looks like."""
    try:
        difference = each.want.differs(machine)
    except GrapeError as error:
        raise GrapeError(f"step {each.step}, {each.want.key}: {error}", hint=error.hint) from error
    entry = record.entries.get(each.want.key)
    if difference is None and entry is not None and entry.made is None:
        return Difference(summary=f"finish {each.want.key}")
    return difference
