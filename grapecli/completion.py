"""``grapecli completion``: the scripts that let a shell ask grapecli how a line goes on."""

from __future__ import annotations

import click

from grapecli.frame import Command, pass_session
from graped.terminal.session import Session

SHELLS = ("bash", "zsh", "fish")

# Our own: click's hands bash's words on, which bash cuts at the @ and : of @stack:0.
BASH = r"""_grapecli_completion() {
    local line=${COMP_LINE:0:COMP_POINT} word cut kind value
    local -a words
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]} - 1]}
    # bash replaces only what stands behind the last of its word breaks, and an @ in front of that
    cut=${word%"${word##*[${COMP_WORDBREAKS:- }]}"}
    cut=${cut%@}
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$cut"}") ;;
        esac
    done < <(env COMP_WORDS="$line" COMP_CWORD=$((${#words[@]} - 1)) _GRAPECLI_COMPLETE=bash_complete "$1")
}

complete -o nosort -F _grapecli_completion grapecli
"""


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
    script = BASH if shell == "bash" else _of_click(shell)
    if session.json:
        session.print_json({"shell": shell, "script": script})
    else:
        session.print(script.rstrip("\n"))


def _of_click(shell: str) -> str:
    """Write the script that click has for a shell."""
    from click.shell_completion import get_completion_class

    from grapecli.app import cli

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows both
        raise click.UsageError(f"click has no completion for {shell}.")
    return kind(cli, {}, "grapecli", "_GRAPECLI_COMPLETE").source()
