"""The scripts that let a shell ask a program of ours how a line goes on."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")

# Our own: click's hands bash's words on, which bash cuts at the @ and : of @stack:0.
BASH = r"""{function}() {
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
    done < <(env COMP_WORDS="$line" COMP_CWORD=$((${#words[@]} - 1)) {variable}=bash_complete "$1")
}

complete -o nosort -F {function} {program}
"""


def script(cli: click.Group, program: str, shell: str) -> str:
    """Write the script of a shell; this machine need not have that shell."""
    variable = f"_{program.upper()}_COMPLETE"
    if shell == "bash":
        names = {"{function}": f"_{program}_completion", "{variable}": variable, "{program}": program}
        text = BASH
        for mark, name in names.items():
            text = text.replace(mark, name)
        return text
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click knows both of the others
    made = kind(cli, {}, program, variable)
    return made.source_template % made.source_vars()
