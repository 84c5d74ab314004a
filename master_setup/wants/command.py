"""What only a program can see and do."""

from __future__ import annotations

from dataclasses import dataclass

from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A state that ``check`` tells by exit code 0, ``do`` reaches, and ``revert`` leaves (none: it is not undone)."""

    name: str  # names it in the record and in what is printed: "load i2c-dev"
    check: tuple[str, ...]
    do: tuple[str, ...]
    revert: tuple[str, ...] = ()
    timeout_s: int = 300

    @property
    def key(self) -> str:
        return f"command {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        if machine.succeeds(*self.check, timeout_s=self.timeout_s):
            return None
        return Difference(summary=self.name)

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({})
        if not machine.succeeds(*self.check, timeout_s=self.timeout_s):
            machine.run(*self.do, timeout_s=self.timeout_s)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if self.revert:
            machine.run(*self.revert, timeout_s=self.timeout_s)
