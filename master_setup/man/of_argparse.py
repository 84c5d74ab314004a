"""An argparse program's options and commands as sections of a man page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from master_setup.man import roff


def body(parser: argparse.ArgumentParser) -> str:
    """Give description, options and commands."""
    subs = list(_subparsers(parser))
    parts = [roff.section("description", roff.docstring(parser.description or ""))]
    parts.append(roff.section("options", _groups(parser)))
    if subs:
        inner = "".join(
            roff.subsection(_title(one), roff.docstring(one.description or "") + _groups(one)) for one in subs
        )
        parts.append(roff.section("commands", inner))
    return "".join(parts)


def synopsis(parser: argparse.ArgumentParser) -> str:
    """Give the one line of how it is called."""
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    return roff.section("synopsis", roff.paragraph(usage))


def _title(parser: argparse.ArgumentParser) -> str:
    words = [action.metavar or action.dest for action in parser._actions if not action.option_strings]
    return " ".join([parser.prog, *map(str, words)])


def _groups(parser: argparse.ArgumentParser) -> str:
    """Give the options, group by group as they are declared; those with a name of their own have a heading."""
    out = []
    for group in parser._action_groups:
        listed = roff.terms(
            (_invocation(action), _help(parser, action))
            for action in group._group_actions
            if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
            and action.help != argparse.SUPPRESS
        )
        if listed and group.title not in ("options", "positional arguments"):
            out.append(f".PP\n\\fI{roff.escaped((group.title or '').capitalize())}\\fR\n")
        out.append(listed)
    return "".join(out)


def _invocation(action: argparse.Action) -> str:
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    if not action.option_strings:
        return str(value)
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    shown = f"[{value}]" if action.nargs == "?" else str(value)
    return f"{', '.join(action.option_strings)} {shown}"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help:
        return ""
    values = {**vars(action), "prog": parser.prog}
    return " ".join((action.help % values).split())


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()
