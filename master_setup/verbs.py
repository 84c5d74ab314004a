"""What each verb does, from an understood command line to an exit code."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Final

from graped.errors import GrapeError, RequestError
from master_setup import (
    accounts,
    applying,
    checking,
    finishing,
    keys,
    locking,
    look,
    losses,
    network_undo,
    options,
    planning,
    reboot,
    record,
    reverting,
    telling,
)
from master_setup.cli import Asked
from master_setup.facts import Facts
from master_setup.machine import Machine
from master_setup.network_undo import Pending
from master_setup.planning import Wanted
from master_setup.record import Record
from master_setup.settled import settled
from master_setup.steps import STEPS
from master_setup.wants import network, packages

FINE: Final = 0
FAILED: Final = 1
NOT_ASKED: Final = 2  # a question without an answer: nothing was done


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What all verbs begin with."""

    record: Record
    facts: Facts
    wants: tuple[Wanted, ...]
    notes: list[str]


def run(machine: Machine, asked: Asked) -> int:
    """Carry out a verb. Raises GrapeError."""
    match asked.verb:
        case "plan":
            return _plan(machine, asked)
        case "apply":
            return _apply(machine, asked)
        case "check":
            return _check(machine, asked)
        case "revert":
            return _revert(machine, asked)
        case "confirm":
            return _confirm(machine, asked)
        case _:
            raise RequestError(f"there is no verb {asked.verb}")


def _look(machine: Machine, asked: Asked) -> Situation:
    found = record.load(machine)
    given = dict(asked.given)
    if "users" in given:
        given["users"] = _existing(machine, given["users"])
    asked_for = keys.from_file(given.pop("authorize", ""))
    if asked.verb != "check":  # whoever checks is not thereby somebody whom nodes accept
        given["keys"] = keys.merged(asked_for, keys.of_user(machine, look.invoker()))
    merged = options.merged(found.options, given)
    # A user who was removed since is no reason to fail.
    there = tuple(name for name in merged.users if accounts.known(machine, name))
    found.options = dataclasses.replace(merged, users=there)
    facts = look.look(machine, found.options)
    found.options = settled(facts, found.options)
    wants = planning.wanted(facts, found.options)
    return Situation(record=found, facts=facts, wants=wants, notes=planning.notes(facts, found.options))


def _existing(machine: Machine, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names. Raises RequestError where one is nobody's."""
    for name in names:
        if not accounts.known(machine, name):
            raise RequestError(f"there is no user {name}", hint=f"adduser {name}, or leave it out.")
    return tuple(names)


def situation_notes(machine: Machine) -> list[str]:
    """Say what the machine waits for: a reboot, a confirmation."""
    said = [f"{reason}: reboot for it to count." for reason in reboot.reasons(machine)]
    waiting = network_undo.pending(machine)
    if waiting is not None:
        said += [f"{waiting.interface} goes back to what it was in {waiting.left_s} s: grape-setup confirm keeps it."]
    return said


def _plan(machine: Machine, asked: Asked) -> int:
    here = _look(machine, asked)
    changes = list(planning.changes(machine, here.wants, here.record))
    if asked.json:
        telling.out_json({"changes": telling.as_json(changes), "notes": here.notes})
    else:
        telling.out(telling.plan(changes, STEPS))
        telling.notes(here.notes)
    return FINE


def _apply(machine: Machine, asked: Asked) -> int:
    lock = locking.take(machine)
    try:
        here = _look(machine, asked)
        if here.record.options != record.load(machine).options or not here.record.entries:
            here.record.save()
        done = applying.apply(machine, here.wants, here.record)
        packages.settle(here.record)
    finally:
        os.close(lock)
    notes = [*here.notes, *situation_notes(machine)]
    if asked.json:
        telling.out_json({"changes": done.changes, "kept": list(done.kept), "notes": notes})
    else:
        _tell_kept(done.kept)
        telling.out(f"{done.changes} changes made." if done.changes else "Nothing to do.")
        telling.notes(notes)
    waiting = network_undo.pending(machine)
    if waiting is None or asked.yes or asked.json or not sys.stdin.isatty():
        return FINE
    return _keep_by_word(machine, asked, waiting)


def _keep_by_word(machine: Machine, asked: Asked, waiting: Pending) -> int:
    """Ask at once whether the network may stay; no answer in time is a no."""
    if not _agreed(f"{waiting.interface} has {waiting.address}, and goes back in {waiting.left_s} s.", "Keep it?"):
        return FINE
    if not network_undo.armed(machine):
        raise GrapeError("too late: the network has gone back to what it was", hint="Call apply again.")
    return _confirm(machine, asked)


def _confirm(machine: Machine, asked: Asked) -> int:
    """Keep the network, where its address is there. Raises GrapeError where it is not."""
    waiting = network_undo.pending(machine)
    if waiting is not None:
        network.keep(machine, waiting)
    kept = "" if waiting is None else f"{waiting.interface} keeps {waiting.address}."
    if asked.json:
        telling.out_json({"kept": [kept] if kept else []})
    else:
        telling.out(kept or "Nothing waits for a confirmation.")
    return FINE


def _check(machine: Machine, asked: Asked) -> int:
    here = _look(machine, asked)
    drift = list(planning.changes(machine, here.wants, here.record))
    ill = checking.health(machine, here.wants, here.record)
    if asked.json:
        about = {"drift": telling.as_json(drift), "ill": [dataclasses.asdict(each) for each in ill]}
        telling.out_json({**about, "notes": situation_notes(machine)})
    else:
        telling.out(telling.check(drift, ill))
        telling.notes(situation_notes(machine))
    return FAILED if drift or ill else FINE


def _revert(machine: Machine, asked: Asked) -> int:
    lock = locking.take(machine)
    try:
        found = record.load(machine)
        _refuse_what_is_dpkgs(found.options, asked)
        with_packages = asked.given.get("packages", found.options.packages)
        lost = losses.losses(machine, found, purge=asked.purge, packages=with_packages)
        if lost and not asked.yes and not _agreed(" ".join(lost)):
            return NOT_ASKED
        done = reverting.revert(machine, found, without=asked.without)
        if done.failed:
            raise GrapeError("; ".join(done.failed), hint="What could be undone is undone. Call revert again.")
        if asked.given.get("packaged"):  # what stays of a package must not bind a later installation
            found.options = options.unpackaged(found.options)
            found.save()
        if asked.json:
            telling.out_json({"undone": done.undone, "kept": list(done.kept)})
        else:
            _tell_kept(done.kept)
            telling.out(f"{done.undone} changes undone.")
            telling.notes(situation_notes(machine))
        _finish(machine, found, asked, lock, done.backups)
    finally:
        os.close(lock)
    return FINE


def _refuse_what_is_dpkgs(recorded: options.Options, asked: Asked) -> None:
    """Raise RequestError where a package would be left without its program."""
    if recorded.packaged and not asked.given.get("packaged") and "program" not in asked.without:
        hint = "apt remove grape takes back all that it set up; apt purge grape removes its state too."
        raise RequestError("Grape is here as a Debian package", hint=hint)


def _finish(machine: Machine, found: Record, asked: Asked, lock: int, keep: frozenset[str]) -> None:
    """Go on as the script that ends a revert, where there is something to end."""
    if asked.without:
        return
    if not machine.exists(finishing.STATE if asked.purge else record.FOLDER):
        finishing.drop_empty(machine)
        return
    if asked.purge:  # also what an earlier revert has left
        finishing.refuse_mounts(machine)
        record.make_folders(machine)
    what = finishing.leaving(machine, found) if asked.given.get("packages", True) else finishing.Leaving()
    if what.stay:
        machine.say(f"these packages stay, something needs them: {' '.join(what.stay)}")
    finishing.write(machine, finishing.script(machine, what, keep=keep, purge=asked.purge))
    sys.stdout.flush()
    finishing.become(machine, lock)


def _tell_kept(kept: tuple[str, ...]) -> None:
    for line in kept:
        telling.out(f"kept: {line}")


def _agreed(question: str, ask: str = "Go on?") -> bool:
    """Ask at the terminal; without one, or without a yes, the answer is no."""
    if not sys.stdin.isatty():
        print(f"{question} Give --yes.", file=sys.stderr)
        return False
    print(f"{question} {ask} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
