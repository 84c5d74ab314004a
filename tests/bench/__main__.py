"""``python -m tests.bench``: measure, print the table, and with ``--readme`` put it into the README."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import command, idle, machine, poll, processes, requests, roots, rows, stream
from tests.bench.rows import Row

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def parts(room: Path, quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """Name what is measured; ``quick`` shows that it works and measures nothing."""
    many = 4 if quick else 32
    return {
        "poll": lambda: poll.measure(3 if quick else 120),
        "nodes": lambda: requests.measure(room, 0.1 if quick else 3.0, many),
        "command": lambda: command.measure(room, 3 if quick else 40),
        "stream": lambda: stream.measure(room, 500 if quick else 20_000, 1 if quick else 5),
        "status": lambda: processes.measure(room, 1 if quick else 32, many),
        "roots": lambda: roots.measure(
            room, 4_000_000 if quick else 400_000_000, 2 if quick else 48, 1 if quick else 2
        ),
        "idle": lambda: idle.measure(room, 0.5 if quick else 25.0, 0.0 if quick else 3.0),
    }


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean nothing")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    parser.add_argument("only", nargs="*", metavar="PART", help="poll, nodes, command, stream, status, roots, idle")
    args = parser.parse_args()
    print(f"machine: {machine.kind()}; load before: {machine.load():.1f}", flush=True)
    began, table = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="grape-bench-") as room:
        for name, measure in parts(Path(room), args.quick).items():
            if not args.only or name in args.only:
                print(f"measuring: {name}", file=sys.stderr, flush=True)
                table += measure()
    print(rows.plain(table))
    print(*rows.missed(table), sep="\n")
    print(f"measured in {time.monotonic() - began:.0f} s; medians unless p99 is said")
    if args.readme:
        into_readme(table)
    return 0


def into_readme(table: list[Row]) -> None:
    """Replace the table between the README's marks."""
    text = README.read_text() if README.exists() else f"# Grape\n\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise SystemExit(f"{README} has no {BEGIN} ... {END}")
    body = f"Measured by `make bench` in one run on {machine.kind()}; medians.\n\n{rows.markdown(table)}\n"
    body += "".join(f"\n{line}\n" for line in rows.missed(table))
    README.write_text(f"{head}{BEGIN}\n{body}{END}{tail}")


if __name__ == "__main__":
    sys.exit(main())
