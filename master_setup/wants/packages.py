"""Packages of the distribution, and all that came with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from master_setup import apt, dpkg, gains
from master_setup.machine import Machine
from master_setup.record import Memory, Record
from master_setup.wants.base import Difference, kind


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """Packages that are installed. The step ``packages`` alone wants them: for all steps at once.

    Undone by ``finishing``, after everything else and perhaps after Python's end: python3 may be among them.
    """

    names: tuple[str, ...]
    debs: str = ""
    offline: bool = False

    @property
    def key(self) -> str:
        return "packages"

    def differs(self, machine: Machine) -> Difference | None:
        missing = self._missing(machine)
        return Difference(summary=f"install {' '.join(missing)}") if missing else None

    def make(self, machine: Machine, memory: Memory) -> None:
        """Install what is missing. What an earlier, killed run has brought counts as ours."""
        if not memory.was:
            start = gains.bootstrapped(machine) or gains.snapshot(machine)
            memory.remember({"start": _keep(memory, start), "gained": {}})
        elif memory.finished:
            start = gains.snapshot(machine)
            memory.remember({"start": _keep(memory, start), "gained": dict(memory.made)}, anew=True)
        missing = self._missing(machine)
        if missing:
            machine.say(f"installing {len(missing)} packages and what they need: {' '.join(missing)}")
            apt.install(machine, missing, debs=self.debs, offline=self.offline)
        memory.finish({**all_gained(machine, memory), "settled": False})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Leave it to ``finishing``."""

    def _missing(self, machine: Machine) -> list[str]:
        there = dpkg.complete(machine)
        return [name for name in self.names if name not in there]


def all_gained(machine: Machine, memory: Memory) -> dict[str, Any]:
    """Return what came by all installations together; those that did not come to their end included."""
    if memory.finished:
        return dict(memory.made)
    start = json.loads(memory.kept(memory.was["start"]))
    return gains.joined(memory.was["gained"], gains.between(machine, start, gains.snapshot(machine)))


def settle(record: Record) -> None:
    """At the end of an apply that has installed something: note what its services have made since they were started."""
    if "packages" not in record.entries:
        return
    machine, memory = record.machine, record.memory("packages")
    if memory.made.get("settled", True):
        return
    start = json.loads(memory.kept(memory.was["start"]))
    now = gains.between(machine, start, gains.snapshot(machine))
    own = {str(entry.fields.get("path")) for entry in record.entries.values()}
    paths = [path for path in now["paths"] if path not in own]
    memory.finish({**gains.joined(memory.made, {"paths": paths}), "settled": True})


def _keep(memory: Memory, start: dict[str, Any]) -> str:
    return memory.keep(json.dumps(start).encode())
