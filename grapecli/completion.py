"""``grapecli completion``: the scripts that let a shell ask grapecli how a line goes on."""

from __future__ import annotations

import click

from grapecli.frame import Command, pass_session
from graped.terminal.completion import SHELLS, script
from graped.terminal.session import Session


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash  eval "$(grapecli completion bash)"   in ~/.bashrc
    zsh   eval "$(grapecli completion zsh)"    in ~/.zshrc, after compinit
    fish  grapecli completion fish > ~/.config/fish/completions/grapecli.fish
    """
    from grapecli.app import cli

    text = script(cli, "grapecli", shell)
    if session.json:
        session.print_json({"shell": shell, "script": text})
    else:
        session.print(text.rstrip("\n"))
