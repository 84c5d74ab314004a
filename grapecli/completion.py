"""``grapecli completion``: the scripts that let a shell ask grapecli how a line goes on."""

from __future__ import annotations

import click

from grapecli.frame import Command, pass_session
from grapecli.session import Session

SHELLS = ("bash", "zsh", "fish")


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
    from click.shell_completion import ShellComplete, get_completion_class

    from grapecli.app import cli

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows all three
        raise click.UsageError(f"click has no completion for {shell}.")
    # The base class's source(): bash's own would first start bash to ask for its version.
    script = ShellComplete.source(kind(cli, {}, "grapecli", "_GRAPECLI_COMPLETE"))
    if session.json:
        session.print_json({"shell": shell, "script": script})
    else:
        session.print(script.rstrip("\n"))
