"""What a command said on many nodes: the same output of several is shown once; or each line as it comes.

What nodes wrote to stdout stands on stdout, what they wrote to stderr on stderr, and so does who failed.
"""

from __future__ import annotations

import sys

from grapecli.fold import fold
from graped.terminal.session import Session, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from grapecli.words import Json

RULE = "-" * 15
CUT = "(there was more, which is not kept)"


def show_folded(session: Session, nodes: list[Json]) -> None:
    """Print each output once, under the names of all nodes that said it, as clubak does; then who failed."""
    for header, body in _groups(nodes, "stdout"):
        session.print("\n".join((RULE, header, RULE, body)))
    flush()
    for header, body in _groups(nodes, "stderr"):
        session.note("\n".join((RULE, f"{header} stderr", RULE, body)))
    show_failed(session, nodes)


def show_lines(session: Session, node: Json) -> None:
    """Print each line of a node behind its name, at once."""
    for line in _text(node, "stdout").splitlines():
        session.print(f"{node['name']}: {line}")
    flush()
    for line in _text(node, "stderr").splitlines():
        session.note(f"{node['name']}: {line}")


def show_failed(session: Session, nodes: list[Json]) -> None:
    """Say on stderr on which nodes it did not end well, and why; each reason and each hint once."""
    paint = session.paint(sys.stderr)
    reasons = _gathered(nodes, lambda node: node["error"]["message"] if node["error"] else _code(node))
    for why, names in reasons.items():
        if why:
            session.note(f"{fold(names)}: {paint(why, 'red')}")
    # A hint that names its node is the same one for all, with their names folded.
    hints = _gathered(nodes, lambda node: node["error"]["hint"].replace(node["name"], "\0") if node["error"] else "")
    for hint, names in hints.items():
        if hint:
            session.note(f"  hint: {hint.replace(chr(0), fold(names))}")


def _code(node: Json) -> str:
    return f"exit code {node['code']}" if node["code"] else ""


def _groups(nodes: list[Json], stream: str) -> list[tuple[str, str]]:
    """Gather nodes by what they said, in the order of their names: (header, what they said)."""
    found = _gathered(nodes, lambda node: _text(node, stream))
    return [
        (fold(names) if len(names) == 1 else f"{fold(names)} ({len(names)})", text.removesuffix("\n"))
        for text, names in found.items()
        if text
    ]


def _gathered(nodes: list[Json], key: Callable[[Json], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(key(node), []).append(node["name"])
    return found


def _text(node: Json, stream: str) -> str:
    text = str(node[stream])
    return f"{text}\n{CUT}\n" if node[f"{stream}_cut"] else text
