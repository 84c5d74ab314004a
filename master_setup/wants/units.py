"""Units of systemd: enabled, masked, running or not, and brought back to what they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from master_setup import places
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind

FOLDER: Final = "/etc/systemd/system"
START_S: Final = 180.0
ENABLED: Final = frozenset({"enabled", "enabled-runtime", "alias"})


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit's state. None: left as it is."""

    name: str
    enabled: bool | None = None
    running: bool | None = None
    masked: bool = False

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        todo = self._todo(machine)
        return Difference(summary=f"{', '.join(todo)} {self.name}") if todo else None

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember(
            {
                "enabled": _enabled(machine, self.name),
                "running": _running(machine, self.name),
                "folders": _folders(machine),
            }
        )
        if machine.booted:
            machine.run("systemctl", "daemon-reload")
        for verb in self._todo(machine):
            machine.run("systemctl", verb, self.name, timeout_s=START_S)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        was = memory.was
        if machine.booted:
            machine.run("systemctl", "daemon-reload")
        now = _enabled(machine, self.name)
        if now == "masked" != was["enabled"]:
            machine.run("systemctl", "unmask", self.name)
            now = _enabled(machine, self.name)
        if self.enabled is not None and was["enabled"] in ENABLED and now not in ENABLED:
            machine.run("systemctl", "enable", self.name)
        elif self.enabled and was["enabled"] not in ENABLED and now in ENABLED:
            machine.run("systemctl", "disable", self.name)
        self._move_back(machine, was["running"])
        for folder in _folders(machine):
            if folder not in was["folders"]:
                places.remove_empty(machine, [folder])

    def _move_back(self, machine: Machine, was_running: bool) -> None:
        """Start or stop it as it was; what was enabled by us was perhaps started by somebody, and ends too."""
        if not machine.booted or _running(machine, self.name) == was_running:
            return
        if was_running and self.running is False:
            machine.run("systemctl", "start", self.name, timeout_s=START_S)
        elif not was_running and (self.running or self.enabled):
            machine.run("systemctl", "stop", self.name, timeout_s=START_S)

    def _todo(self, machine: Machine) -> list[str]:
        """Return the verbs of systemctl that lead there."""
        todo = []
        enabled = _enabled(machine, self.name)
        if self.masked and enabled != "masked":
            todo.append("mask")
        elif self.enabled is True and enabled not in ENABLED:
            todo.append("enable")
        elif self.enabled is False and enabled in ENABLED:
            todo.append("disable")
        if machine.booted and self.running is not None and _running(machine, self.name) != self.running:
            todo.append("start" if self.running else "stop")
        return todo


def _enabled(machine: Machine, name: str) -> str:
    """Return systemd's word for it; "" where there is no such unit."""
    words = machine.says("systemctl", "is-enabled", name).split()
    return words[-1] if words else ""


def _running(machine: Machine, name: str) -> bool:
    return machine.booted and machine.says("systemctl", "is-active", name) in ("active", "activating", "reloading")


def _folders(machine: Machine) -> list[str]:
    """Return the folders that systemctl makes when it enables something, and never removes."""
    ends = (".wants", ".requires")
    return [f"{FOLDER}/{name}" for name in machine.names(FOLDER) if name.endswith(ends)]
