"""The units of systemd. graped is enabled, and started by who sets the machine up: ``systemctl start graped``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Current, File, Unit, Want

NAME = "units"
SUMMARY = "units of systemd; graped is enabled, not started"
SOURCES: Final = Path(__file__).resolve().parents[1] / "files" / "units"
FOLDER: Final = "/etc/systemd/system"  # the .deb has them in /usr/lib/systemd/system
RELOAD: Final = ("systemctl", "daemon-reload")


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: systemd is there."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want each unit's file, and graped enabled. What of theirs runs is stopped before its file is taken away."""
    graped = "graped.service"
    last: list[Want] = [Unit(name=graped, enabled=True), Current(unit=graped)]
    if options.packaged:
        return last
    files = [
        File(
            path=f"{FOLDER}/{source.name}",
            content=source.read_text(),
            then=RELOAD if facts.booted else (),
            before_undo=("systemctl", "stop", source.name.replace("@.", "@*.")) if facts.booted else (),
        )
        for source in sorted(SOURCES.glob("*.service"), key=_order)
    ]
    return [*files, *last]


def _order(source: Path) -> tuple[bool, str]:
    """Put roots first: undone in reverse, they are unmounted once the servers have let go of them."""
    return (not source.name.startswith("grape-root@"), source.name)
