"""``grape_docker completion``: the scripts that let a shell ask grape_docker how a line goes on."""

from __future__ import annotations

import click

from grape_docker.cli.frame import Command, pass_session
from grape_docker.cli.session import Session
from graped.terminal.completion import SHELLS, script


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
    from grape_docker.cli.app import cli

    text = script(cli, "grape_docker", shell)
    if session.json:
        session.print_json({"shell": shell, "script": text})
    else:
        session.print(text.rstrip("\n"))
