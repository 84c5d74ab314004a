"""Ask before data is destroyed."""

from __future__ import annotations

import sys

from graped.terminal.failure import Refused
from graped.terminal.session import Session


def confirm(session: Session, what: str, lines: list[str], question: str, *, yes: bool) -> None:
    """List what is lost and ask. Raises: Refused, where the answer is no or nobody can be asked."""
    if yes:
        return
    if not session.terminal:
        raise Refused(f"{what}; there is no terminal to ask at.", hint="Add --yes to do it without being asked.")
    err = sys.stderr
    err.write(f"{session.paint(err)(what, 'red')}\n")
    for line in lines:
        err.write(f"  {line}\n")
    if not ask(question):
        raise Refused("The answer was not yes.")


def ask(question: str) -> bool:
    """Ask at the terminal; anything but yes is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
