"""A unit that runs where another one does: the administrator starts that one, and systemd this one with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind

START_S: Final = 120.0
RUNNING: Final = ("active", "activating", "reloading")


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """``name`` is started where ``leader`` runs already. What is enabled is another want, which also stops it."""

    name: str
    leader: str = "graped.service"

    @property
    def key(self) -> str:
        return f"together {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        if not machine.booted or not _runs(machine, self.leader) or _runs(machine, self.name):
            return None
        return Difference(summary=f"start {self.name}, as {self.leader} runs")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({})
        if self.differs(machine) is not None:
            machine.run("systemctl", "start", self.name, timeout_s=START_S)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Nothing: the unit's own want stops it."""


def _runs(machine: Machine, name: str) -> bool:
    return machine.says("systemctl", "is-active", name) in RUNNING
