"""The click classes of grapecli's commands, and what several of them take."""

from __future__ import annotations

from functools import partial

import click

from graped.terminal import groups
from graped.terminal.nodesets import complete_nodes as complete_nodes
from graped.terminal.nodesets import join as join
from graped.terminal.nodesets import nodes_argument as nodes_argument
from graped.terminal.session import Session

_shared = partial(groups.options, Session)


class Command(groups.Command):
    """A command with the global options."""

    shared = _shared


class Group(groups.Group):
    """A group with the global options."""

    shared = _shared
    command_class = Command


def span(text: str) -> float:
    """Read a duration, ``90``, ``30s``, ``5m`` or ``1h30m``, as seconds."""
    from grapecli.times import parse_span

    try:
        return parse_span(str(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a duration such as 90, 30s, 5m or 1h30m.") from None


pass_session = click.make_pass_decorator(Session, ensure=True)
