"""``grapecli node set|reset|snapshot|rollback|drop``: what nodes boot, and their own file systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from grapecli import working
from grapecli.frame import Command, join, nodes_argument, pass_session
from grapecli.images import complete_images
from graped.terminal import asking
from graped.terminal.session import Session

STRATEGIES = ("auto", "overlay", "btrfs", "reflink", "copy", "ephemeral", "default")
MODELS = ("3b", "3b+", "4", "5", "pxe", "default")
BOOTS = ("network", "local", "default")

_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def _word(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """``default`` goes back to what the configuration says, which is "" on the wire."""
    return "" if value == "default" else value


def _choice(name: str, words: tuple[str, ...], help_text: str) -> Callable[[Any], Any]:
    return click.option(name, type=click.Choice(words), callback=_word, help=help_text)


@click.command("set", cls=Command)
@click.option("--image", metavar="IMAGE", callback=_word, shell_complete=complete_images, help="What they boot.")
@_choice("--strategy", STRATEGIES, "How they get a root of their own from it.")
@_choice("--model", MODELS, "What kind of machine they are.")
@_choice("--boot", BOOTS, "Where they boot from.")
@working.options
@nodes_argument()
@pass_session
def set_nodes(
    session: Session, /, nodeset: tuple[str, ...], wait: bool, timeout: float | None, **changes: str | None
) -> int:
    """Set image, strategy, model or boot of nodes; "default" goes back to what the configuration files say.

    A node gets a new root beside the one it has. One that is running goes on with the old root, and takes the new one
    with its next boot; the old one is kept for node rollback.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    if not given:
        raise click.UsageError("Nothing to set: give --image, --strategy, --model or --boot.")
    job = session.client().post("/v1/nodes/set", {"nodes": join(nodeset), **given})
    return working.finish(session, job, wait=wait, timeout=timeout)


@click.command("reset", cls=Command)
@_yes
@working.options
@nodes_argument()
@pass_session
def reset(session: Session, nodeset: tuple[str, ...], yes: bool, wait: bool, timeout: float | None) -> int:
    """Give nodes fresh roots of their image. What they changed is kept as a snapshot, until it is the oldest."""
    names = _names(session, nodeset)
    what = f"{names['folded']} will boot as if for the first time"
    lines = ["what they changed goes out of use; node rollback brings it back", "volumes for Docker stay"]
    asking.confirm(session, what, lines, "Reset?", yes=yes)
    job = session.client().post("/v1/nodes/reset", {"nodes": names["names"]})
    return working.finish(session, job, wait=wait, timeout=timeout)


@click.command("snapshot", cls=Command)
@click.option("--label", metavar="LABEL", required=True, help="What it is called, for node rollback.")
@working.options
@nodes_argument()
@pass_session
def snapshot(session: Session, nodeset: tuple[str, ...], label: str, wait: bool, timeout: float | None) -> int:
    """Keep the roots of nodes as they are now. The nodes have to be off."""
    job = session.client().post("/v1/nodes/snapshot", {"nodes": join(nodeset), "label": label})
    return working.finish(session, job, wait=wait, timeout=timeout)


@click.command("rollback", cls=Command)
@click.option("--label", metavar="LABEL", help="Of which snapshot (default: the newest root that is kept).")
@_yes
@working.options
@nodes_argument()
@pass_session
def rollback(
    session: Session, nodeset: tuple[str, ...], label: str | None, yes: bool, wait: bool, timeout: float | None
) -> int:
    """Bring back an older root of nodes. The nodes have to be off; what they changed since then is lost."""
    names = _names(session, nodeset)
    whose = f"snapshot {label}" if label else "the newest root that is kept"
    what = f"{names['folded']} will go back to {whose}; what they changed since then is lost"
    asking.confirm(session, what, [], "Roll back?", yes=yes)
    job = session.client().post("/v1/nodes/rollback", {"nodes": names["names"], "label": label})
    return working.finish(session, job, wait=wait, timeout=timeout)


@click.command("drop", cls=Command)
@click.option("--label", metavar="LABEL", required=True, help="Which one: grapecli node show lists them.")
@_yes
@working.options
@nodes_argument()
@pass_session
def drop(session: Session, nodeset: tuple[str, ...], label: str, yes: bool, wait: bool, timeout: float | None) -> int:
    """Give up an older root of nodes: a snapshot, or what a reset, set or rollback has kept."""
    names = _names(session, nodeset)
    asking.confirm(session, f"{label} of {names['folded']} will be gone for ever", [], "Drop?", yes=yes)
    job = session.client().post("/v1/nodes/drop", {"nodes": names["names"], "label": label})
    return working.finish(session, job, wait=wait, timeout=timeout)


def _names(session: Session, nodeset: tuple[str, ...]) -> dict[str, Any]:
    """Expand a node set before anybody is asked: what is sent are the names that were shown."""
    found: dict[str, Any] = session.client().get("/v1/nodeset", nodes=join(nodeset))
    if not found["names"]:
        raise click.UsageError(f"{join(nodeset)} names no node at the moment.")
    return found
