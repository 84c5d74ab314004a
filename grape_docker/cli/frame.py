"""The click classes of every command: late imports, the global options in any place."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from grape_docker.cli.session import Session

CONTEXT = {"help_option_names": ["-h", "--help"]}


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Make a callback that keeps an option in the session, where it was given."""

    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        session = ctx.ensure_object(Session)
        if value is not None and value is not False:
            setattr(session, name, value)

    return keep


def global_options() -> list[click.Parameter]:
    """Make the options that every command takes, before and after its name."""
    told = {
        "socket": "graped's socket (default: GRAPE_SOCKET, else /run/grape/graped.sock).",
        "docker": "The master's Docker (default: DOCKER_HOST, else unix:///var/run/docker.sock).",
        "state-dir": "Where grape_docker keeps its state (default: /var/lib/grape-docker).",
    }
    metavar = {"socket": "PATH", "docker": "URL", "state-dir": "DIR"}
    options: list[click.Parameter] = [
        click.Option(
            [f"--{name}"],
            metavar=metavar[name],
            expose_value=False,
            callback=_keep(name.replace("-", "_")),
            help=text,
        )
        for name, text in told.items()
    ]
    json = click.Option(["--json"], is_flag=True, expose_value=False, callback=_keep("json"), help="Print JSON.")
    return [*options, json]


class Command(click.Command):
    """A command with the global options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += global_options()


class Group(click.Group):
    """A group with the global options. ``late`` maps a command's name to "module:attribute" and its short help."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, late: dict[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += global_options()
        self.late = late or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List late commands in their order, then the others."""
        return [*self.late, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a late command when it is asked for."""
        if cmd_name not in self.late:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.late[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands with their short help, late ones without importing them."""
        own = [(name, command.get_short_help_str(limit=80)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl([*((name, text) for name, (_module, text) in self.late.items()), *own])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for one that does not exist."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(self.list_commands(ctx))}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def nodes_argument() -> Callable[[Any], Any]:
    """Take a node set, in one word or several. No target is a usage error, never all."""
    return click.argument("nodeset", nargs=-1, required=True)


def join(words: tuple[str, ...]) -> str:
    """Join the words of a node set: a comma between two names, nothing beside an operator. Raises UsageError."""
    text = ""
    for word in words:
        glue = "" if not text or text[-1] in ",!&^" or word[:1] in ",!&^" else ","
        text += glue + word
    if not text.strip():
        raise click.UsageError("NODESET is empty; no target never means all.")
    return text


pass_session = click.make_pass_decorator(Session, ensure=True)
