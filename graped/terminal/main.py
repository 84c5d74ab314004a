"""The way of every command line: argv in, exit code out, every error told in one way."""

from __future__ import annotations

import os
import sys

import click

from graped.errors import GrapeError
from graped.terminal import exits
from graped.terminal.failure import OutputFailed, tell, tell_usage
from graped.terminal.session import NotWritten, ReaderGone, flush


def run(cli: click.Group, program: str, args: list[str] | None = None) -> int:
    """Run one command of a program. Returns its exit code (see :mod:`graped.terminal.exits`)."""
    argv = sys.argv[1:] if args is None else args
    as_json = "--json" in argv
    _open_streams()
    try:
        code = _run(cli, program, argv, as_json)
        flush()
    except (BrokenPipeError, ReaderGone):  # the reader went away (| head): not an error of ours
        _drop_output()
        return exits.OK
    except NotWritten as error:
        _drop_output()
        return tell(OutputFailed(f"stdout: {str(error.strerror).lower()}"), as_json, program)
    return code


def _open_streams() -> None:
    """See to it that there is something to write to, and that no character stops us where it is not UTF-8."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who called us (>&-)
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for the whole run
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    """Let what is still to be written to stdout go nowhere, quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(cli: click.Group, program: str, argv: list[str], as_json: bool) -> int:
    try:
        code = cli.main(args=argv, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        return tell_usage(error, as_json, program)
    except GrapeError as error:
        return tell(error, as_json, program)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return exits.INTERRUPTED
    return code if isinstance(code, int) else exits.OK
