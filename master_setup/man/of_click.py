"""A click program's commands, with all they take, as sections of a man page."""

from __future__ import annotations

from collections.abc import Collection

import click

from master_setup.man import roff


def commands(root: click.Group, name: str) -> str:
    """Give a subsection for every command, groups before what is in them. Options that all take are told apart."""
    context = context_of(root, name)
    return "".join(_tree(root, context, common={opt for param in root.params for opt in param.opts}))


def context_of(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """Give the context that a command has when it is called: its settings say, for one, which options ask for help."""
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def options(command: click.Command, context: click.Context, without: Collection[str] = ()) -> str:
    """Give a command's options."""
    records = (
        param.get_help_record(context)
        for param in command.get_params(context)
        if isinstance(param, click.Option) and not set(param.opts) & set(without)
    )
    return roff.terms(record for record in records if record is not None)


def _tree(group: click.Group, context: click.Context, common: Collection[str]) -> list[str]:
    found = []
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if command is None or command.hidden:
            continue
        inner = context_of(command, word, context)
        usage = " ".join(command.collect_usage_pieces(inner))
        body = roff.docstring(command.help or command.short_help or "")
        without = {*common, *(option for option in inner.help_option_names)}
        title = f"{inner.command_path} {usage.removeprefix('[OPTIONS] ')}"
        found.append(roff.subsection(title, body + options(command, inner, without)))
        if isinstance(command, click.Group):
            found += _tree(command, inner, common)
    return found
