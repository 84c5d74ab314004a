"""The entry point of ``grape_docker``."""

from __future__ import annotations

import sys

from grape_docker.cli.app import cli
from graped.terminal.main import run


def main(args: list[str] | None = None) -> int:
    """Run one command. Returns its exit code (see :mod:`grape_docker.cli.exits`)."""
    return run(cli, "grape_docker", args)


if __name__ == "__main__":
    sys.exit(main())
