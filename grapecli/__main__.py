"""The entry point of ``grapecli``."""

from __future__ import annotations

import sys

from grapecli.app import cli
from graped.terminal.main import run


def main(args: list[str] | None = None) -> int:
    """Run one command. Returns its exit code (see :mod:`grapecli.exits`)."""
    return run(cli, "grapecli", args)


if __name__ == "__main__":
    sys.exit(main())
