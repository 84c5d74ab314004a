"""Tell an error: a sentence and a hint for people, one JSON object with ``--json``; always on stderr."""

from __future__ import annotations

import sys

import click

from graped.errors import Conflict, GrapeError
from graped.terminal import exits
from graped.terminal.paint import Paint


class Refused(GrapeError):
    """A confirmation was refused, or nobody could be asked."""

    code = "refused"
    title = "Nothing was done"


class OutputFailed(GrapeError):
    """Our own output could not be written."""

    code = "output_failed"
    title = "The output cannot be written"


class Interrupted(GrapeError):
    """Ctrl-C while waiting for a job that goes on."""

    code = "interrupted"
    title = "Interrupted"


def tell(error: GrapeError, as_json: bool, program: str) -> int:
    """Tell an error of graped or of ours. Returns the exit code."""
    problems = [str(problem) for problem in (getattr(error, "problems", None) or ())]
    title = str(getattr(error, "title", ""))
    if as_json:
        extra = {"problems": problems} if problems else {}
        _print_json(code=error.code, title=title, detail=error.detail, hint=error.hint, **extra)
    else:
        _print(program, title, error.detail, problems, error.hint)
    status = 409 if isinstance(error, Conflict) else int(getattr(error, "status", 0) or 0)
    return exits.of_error(error.code, status)


def tell_usage(error: click.ClickException, as_json: bool, program: str) -> int:
    """Tell a mistake on the command line. Returns the exit code."""
    ctx = getattr(error, "ctx", None)
    if not as_json:
        error.show()
    else:
        hint = f"{ctx.command_path} --help" if ctx is not None else f"{program} --help"
        detail = error.format_message().split("\n", 1)[0] or "A command is missing."
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
            detail = "A command is missing."
        _print_json(code="usage", title="The command line cannot be understood", detail=detail, hint=hint)
    return exits.USAGE


def _print_json(**fields: object) -> None:
    import json

    sys.stderr.write(json.dumps(fields, ensure_ascii=False) + "\n")


def _print(program: str, title: str, detail: str, problems: list[str], hint: str) -> None:
    paint = Paint.choose("auto", sys.stderr)
    told = not title or detail.lower().startswith(title.lower())  # "No such node: no such node: ..." says it twice
    text = detail if told else f"{title}: {detail}"
    sys.stderr.write(f"{program}: {paint(text, 'red')}\n")
    for problem in problems:
        sys.stderr.write(f"  {problem}\n")
    if hint:
        sys.stderr.write(f"  hint: {hint}\n")
