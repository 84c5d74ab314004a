"""Marks for a purge, when this program is gone: which accounts came with Grape. ``postrm`` looks for the files."""

from __future__ import annotations

from typing import Final

from master_setup import record
from master_setup.machine import Machine

MARKS: Final = {
    "user grape": "made-passwd",
    "group grape": "made-group",
    "user grape-docker": "made-passwd-docker",
    "group grape-docker": "made-group-docker",
}


def mark(machine: Machine) -> None:
    """Have a file for each account that the steps made; none for one that was there before."""
    entries = record.load(machine).entries
    for key, name in MARKS.items():
        path = machine.path(f"{record.FOLDER}/{name}")
        entry = entries.get(key)
        if entry is not None and entry.was is not None and not entry.was["there"]:
            path.touch(mode=0o600)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    mark(Machine())
