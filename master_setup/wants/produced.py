"""A file that a program of ours writes to its standard output."""

from __future__ import annotations

from dataclasses import dataclass

from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind
from master_setup.wants.files import File


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """A file with what ``command`` prints. Where the program is not there yet, only the file's absence is seen."""

    path: str
    command: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"file {self.path}"

    def differs(self, machine: Machine) -> Difference | None:
        if not machine.exists(self.command[0]):
            there = machine.exists(self.path)
            return None if there else Difference(summary=f"create {self.path} (printed by {' '.join(self.command)})")
        found = self._file(machine).differs(machine)
        return None if found is None else Difference(summary=found.summary)

    def make(self, machine: Machine, memory: Memory) -> None:
        self._file(machine).make(machine, memory)

    def undo(self, machine: Machine, memory: Memory) -> None:
        File(path=self.path).undo(machine, memory)

    def _file(self, machine: Machine) -> File:
        return File(path=self.path, content=machine.run(*self.command).stdout)
