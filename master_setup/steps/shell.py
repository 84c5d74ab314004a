"""What makes the commands easy to use: completion for the shells, and man pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from master_setup import program
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import File, Produced, Want

NAME = "shell"
SUMMARY = "completion for bash, zsh and fish; man pages"
PAGES: Final = Path(__file__).resolve().parents[1] / "files" / "man"
MAN: Final = "/usr/local/share/man"
COMPLETIONS: Final = {
    "bash": "/usr/share/bash-completion/completions/{program}",
    "zsh": "/usr/local/share/zsh/site-functions/_{program}",
    "fish": "/usr/share/fish/vendor_completions.d/{program}.fish",
}
COMPLETED: Final = ("grapecli", "grape_docker")  # programs


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: files for a shell that is not there do no harm."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want a file for each program and shell, as the program itself makes it, and the pages."""
    if options.packaged:
        return []
    shells = [
        Produced(path=path.format(program=name), command=(f"{program.LINK}/bin/{name}", "completion", shell))
        for name in COMPLETED
        for shell, path in COMPLETIONS.items()
    ]
    pages = [
        File(path=f"{MAN}/man{page.suffix[1:]}/{page.name}", content=page.read_text(), shown=False)
        for page in sorted(PAGES.glob("*.[1-8]"))
    ]
    return [*shells, *pages]
