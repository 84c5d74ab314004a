"""Make everything that is made once and cached, so that a suite need not: ``python -m tests.lab.prepare``."""

from __future__ import annotations

import sys
import time

from tests.lab.kernel.build import kernel


def main() -> None:
    """Make what is not there yet, and say how long that took."""
    for make in (kernel,):
        started = time.monotonic()
        path = make()
        print(f"{path.name}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
