"""``make deb``."""

from __future__ import annotations

import argparse
import sys

from graped.errors import GrapeError
from master_setup.deb import control
from master_setup.deb.building import build
from master_setup.targets import this_arch


def main() -> None:
    """Build the package and print where it is."""
    parser = argparse.ArgumentParser(prog="make deb", description="Build the Debian package.")
    parser.add_argument("--arch", choices=control.ARCHES, default="", help="of the master (default: this machine's)")
    parser.add_argument("--version", default="", help="another version than the source's, to try an upgrade")
    options = parser.parse_args()
    try:
        print(build(arch=options.arch or this_arch(), version=options.version))
    except GrapeError as error:
        sys.exit(f"{error.detail}\n{error.hint}".rstrip())


if __name__ == "__main__":
    main()
