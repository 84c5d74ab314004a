"""Node sets on a command line: taken, joined, completed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from graped.terminal.session import Session

COMPLETION_S = 0.5  # a person waits for a completion with the key still down


def complete_nodes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the last name of a node set; silent when the daemon does not answer at once."""
    from graped.errors import GrapeError

    session = ctx.find_object(Session)
    if session is None:
        return []
    session.timeout_s = COMPLETION_S
    cut = max(incomplete.rfind(mark) for mark in ",!&^") + 1
    head, part = incomplete[:cut], incomplete[cut:]
    try:
        status = session.client().get("/v1/status")
    except (GrapeError, OSError, ValueError):
        return []
    groups = ["@all", "@on", "@off", "@up", "@unknown", "@fault", "@empty", "@slots"]
    words = [node["name"] for node in status["nodes"]] + groups
    words += [f"@{kind}:{stack['id']}" for kind in ("stack", "slots") for stack in status["stacks"]]
    return [head + word for word in words if word.startswith(part) and (part or not word.startswith("@"))]


def nodes_argument(*, required: bool = True) -> Callable[[Any], Any]:
    """Take a node set, in one word or several. No target is a usage error, never all."""
    return click.argument("nodeset", nargs=-1, required=required, shell_complete=complete_nodes)


def join(words: tuple[str, ...]) -> str:
    """Join the words of a node set: a comma between two names, nothing beside an operator. Raises UsageError."""
    text = ""
    for word in words:
        glue = "" if not text or text[-1] in ",!&^" or word[:1] in ",!&^" else ","
        text += glue + word
    if not text.strip():
        raise click.UsageError("NODESET is empty; no target never means all.")
    return text
