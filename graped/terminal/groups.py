"""The click classes of every command: late imports, shared options in any place, the nearest name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from graped.terminal.session import Session

CONTEXT = {"help_option_names": ["-h", "--help"]}
COLORS = ("auto", "always", "never")


def kept(session: type[Session], name: str, **how: Any) -> click.Option:
    """Make an option that is kept in the session, where it was given."""

    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        found = ctx.ensure_object(session)
        if value is not None and value is not False:
            setattr(found, name.replace("-", "_"), value)

    return click.Option([f"--{name}"], expose_value=False, callback=keep, **how)


def options(session: type[Session]) -> list[click.Parameter]:
    """Make what every program takes: ``--socket``, ``--json``, ``--color``."""
    where = "graped's socket (default: GRAPE_SOCKET, else /run/grape/graped.sock)."
    colors = "Colour the output (default: auto, on a terminal unless NO_COLOR is set)."
    return [
        kept(session, "socket", metavar="PATH", help=where),
        kept(session, "json", is_flag=True, help="Print JSON."),
        kept(session, "color", type=click.Choice(COLORS), help=colors),
    ]


class Command(click.Command):
    """A command with the options that every command of its program takes: ``shared`` makes them."""

    shared: Callable[[], list[click.Parameter]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += self.shared()


class Group(click.Group):
    """A group with the same. ``late`` maps a command's name to "module:attribute" and its short help."""

    shared: Callable[[], list[click.Parameter]]
    group_class = type

    def __init__(self, *args: Any, late: dict[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.params += self.shared()
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
        """List late commands with their short help, without importing them, after those that are here."""
        own = [(name, command.get_short_help_str(limit=80)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl([*own, *((name, text) for name, (_module, text) in self.late.items())])

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


class ExitCodes(click.Group):
    """A root group whose help ends with the exit codes: (code, what it means)."""

    exit_codes: tuple[tuple[int, str], ...]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in self.exit_codes])


def version_option(program: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--version``: the program's own; no daemon is asked."""

    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value:
            click.echo(f"{program} {own_version()}")
            ctx.exit()

    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version."
    )


def own_version() -> str:
    """Look up the version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("grape")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
