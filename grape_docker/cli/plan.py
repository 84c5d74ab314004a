"""``grape_docker plan``: what the daemon would do now."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, assert_never

import click

from grape_docker.cli.frame import Command, pass_session
from grape_docker.cli.session import Session
from grape_docker.model import (
    Action,
    Join,
    Leave,
    Plan,
    Remove,
    SetAvailability,
    SetLabels,
    SetRole,
    Trouble,
)
from graped.api.folding import fold


@click.command("plan", cls=Command)
@pass_session
def plan(session: Session) -> None:
    """Show what would be done to the swarm now, what is waited for, and what is wrong; nothing is done."""
    from grape_docker.cli.cluster import look
    from grape_docker.core.reconcile import reconcile

    now = look(session)
    made = reconcile(now.rack, now.swarm, now.known, now.settings, now.at)
    if session.json:
        session.print_json(as_json(made, now.swarm.id))
        return
    if not now.swarm.id:
        session.print(f"the master: make a swarm, with {now.settings.advertise or 'an address of its own'}")
    for line in lines(made):
        session.print(line)
    if now.swarm.id and not made.actions:
        session.note("Nothing is to be done.")


def as_json(made: Plan, swarm_id: str) -> dict[str, Any]:
    """Lay a plan out for programs."""
    return {
        "swarm": swarm_id or None,
        "actions": [{"action": word(one), **asdict(one)} for one in made.actions],
        "waiting": [asdict(one) for one in made.waiting],
        "troubles": [asdict(one) for one in made.troubles],
    }


def lines(made: Plan) -> list[str]:
    """Lay a plan out for people: nodes with the same line share it."""
    return [
        *folded((one.name, sentence(one)) for one in made.actions),
        *folded((one.name, f"waits: {one.why}") for one in made.waiting),
        *folded((one.name or "swarm", complaint(one)) for one in made.troubles),
    ]


def folded(told: Iterable[tuple[str, str]]) -> list[str]:
    """Fold the names of those that have the same to tell."""
    names: dict[str, list[str]] = {}
    for name, text in told:
        names.setdefault(text, []).append(name)
    return [f"{fold(found)}: {text}" for text, found in names.items()]


def word(action: Action) -> str:
    """Name an action: ``join``, ``set_labels``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(action).__name__).lower()


def sentence(action: Action) -> str:
    """Say what an action does."""
    match action:
        case Join():
            return f"{'leave and join' if action.fresh else 'join'} the swarm: {action.why}"
        case Leave():
            return f"leave the swarm: {action.why}"
        case SetLabels():
            new = ", ".join(f"{key}={value}" for key, value in action.labels.items() if value is not None)
            old = ", ".join(key for key, value in action.labels.items() if value is None)
            return "; ".join(part for part in (new and f"label {new}", old and f"drop label {old}") if part)
        case SetAvailability():
            return f"make it {action.availability}: {action.why}"
        case SetRole():
            return f"make it a {action.role}: {action.why}"
        case Remove():
            return f"remove its entry {action.node_id}: {action.why}"
    assert_never(action)


def complaint(trouble: Trouble) -> str:
    """Say what is wrong, and what helps."""
    return trouble.message + (f" (hint: {trouble.hint})" if trouble.hint else "")
