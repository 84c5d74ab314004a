"""Tell an error: a sentence and a hint for people, one JSON object with ``--json``; always on stderr."""

from __future__ import annotations

import json
import sys

import click

from grape_docker.cli import exits
from graped.errors import Conflict, GrapeError


def tell(error: GrapeError, as_json: bool) -> int:
    """Tell an error of graped, of Docker or of ours. Returns the exit code."""
    title = str(getattr(error, "title", ""))
    if as_json:
        _print_json(code=error.code, title=title, detail=error.detail, hint=error.hint)
    else:
        told = not title or error.detail.lower().startswith(title.lower())
        sys.stderr.write(f"grape_docker: {error.detail if told else f'{title}: {error.detail}'}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
    status = 409 if isinstance(error, Conflict) else int(getattr(error, "status", 0) or 0)
    return exits.of_error(error.code, status)


def tell_usage(error: click.ClickException, as_json: bool) -> int:
    """Tell a mistake on the command line. Returns the exit code."""
    if not as_json:
        error.show()
        return exits.USAGE
    ctx = getattr(error, "ctx", None)
    hint = f"{ctx.command_path} --help" if ctx is not None else "grape_docker --help"
    detail = error.format_message().split("\n", 1)[0] or "A command is missing."
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        detail = "A command is missing."
    _print_json(code="usage", title="The command line cannot be understood", detail=detail, hint=hint)
    return exits.USAGE


def _print_json(**fields: object) -> None:
    sys.stderr.write(json.dumps(fields, ensure_ascii=False) + "\n")
