"""A server that its package starts at every boot, and that graped starts when it may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind

STOP_S: Final = 120.0


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A unit that is not enabled. It is stopped with that, and never later: then it is graped who has started it."""

    name: str
    why: str = "graped starts it when it may serve"

    @property
    def key(self) -> str:
        return f"quiet {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        if machine.says("systemctl", "is-enabled", self.name) != "enabled":
            return None
        return Difference(summary=f"disable {self.name}: {self.why}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"enabled": self.differs(machine) is not None})
        if self.differs(machine) is not None:
            now = ("--now",) if machine.booted else ()
            machine.run("systemctl", "disable", *now, self.name, timeout_s=STOP_S)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if memory.was["enabled"]:
            machine.succeeds("systemctl", "enable", self.name)
