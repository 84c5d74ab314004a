"""The entry point of ``grape_docker``: argv in, exit code out, every error told in one way."""

from __future__ import annotations

import os
import sys

import click

from grape_docker.cli import exits
from grape_docker.cli.app import cli
from grape_docker.cli.failure import tell, tell_usage
from graped.errors import GrapeError


def main(args: list[str] | None = None) -> int:
    """Run one command. Returns its exit code (see :mod:`grape_docker.cli.exits`)."""
    argv = sys.argv[1:] if args is None else args
    as_json = "--json" in argv
    try:
        code = _run(argv, as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away (| head): not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return exits.OK
    return code


def _run(argv: list[str], as_json: bool) -> int:
    try:
        code = cli.main(args=argv, prog_name="grape_docker", standalone_mode=False)
    except click.ClickException as error:
        return tell_usage(error, as_json)
    except GrapeError as error:
        return tell(error, as_json)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return exits.INTERRUPTED
    return code if isinstance(code, int) else exits.OK


if __name__ == "__main__":
    sys.exit(main())
