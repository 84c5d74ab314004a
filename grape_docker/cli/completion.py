"""``grape_docker completion``: the scripts that let a shell ask grape_docker how a line goes on."""

from __future__ import annotations

import click

from grape_docker.cli.frame import Command, pass_session
from grape_docker.cli.session import Session

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "grape_docker"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash  eval "$(grape_docker completion bash)"   in ~/.bashrc
    zsh   eval "$(grape_docker completion zsh)"    in ~/.zshrc, after compinit
    fish  grape_docker completion fish > ~/.config/fish/completions/grape_docker.fish
    """
    script = _of_click(shell)
    if session.json:
        session.print_json({"shell": shell, "script": script})
    else:
        session.print(script.rstrip("\n"))


def _of_click(shell: str) -> str:
    """Write the script that click has for a shell; this machine need not have that shell."""
    from click.shell_completion import get_completion_class

    from grape_docker.cli.app import cli

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows all three
        raise click.UsageError(f"click has no completion for {shell}.")
    made = kind(cli, {}, PROGRAM, "_GRAPE_DOCKER_COMPLETE")
    return made.source_template % made.source_vars()
