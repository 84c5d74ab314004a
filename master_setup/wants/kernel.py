"""What the kernel does now, and what it is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graped.errors import GrapeError
from master_setup import reboot
from master_setup.board import FIRMWARE_HOOK
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind
from master_setup.wants.blocks import Block

HOOK_S: Final = 600.0  # it copies kernels onto an SD card


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class BootLines:
    """Our lines for a Raspberry Pi's firmware, which count from the next start on.

    ``hook``: the lines stand where Debian's raspi-firmware takes them from; its hook writes ``config.txt``.
    """

    path: str
    text: str
    hook: bool = False

    @property
    def key(self) -> str:
        return f"boot lines {self.path}"

    def differs(self, machine: Machine) -> Difference | None:
        found = self._block.differs(machine)
        return found and Difference(summary=f"{found.summary}, which counts after a reboot", diff=found.diff)

    def make(self, machine: Machine, memory: Memory) -> None:
        self._block.make(machine, memory)
        self._carry_on(machine)

    def undo(self, machine: Machine, memory: Memory) -> None:
        self._block.undo(machine, memory)
        self._carry_on(machine)

    def _carry_on(self, machine: Machine) -> None:
        if self.hook and machine.booted:
            machine.run("env", "DEB_MAINT_PARAMS=configure", FIRMWARE_HOOK, timeout_s=HOOK_S)
        reboot.note(machine, f"{self.path} was changed")

    @property
    def _block(self) -> Block:
        return Block(path=self.path, text=self.text)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl:
    """A setting of the running kernel. A file below /etc/sysctl.d says it for later starts."""

    name: str  # net.ipv4.ip_forward
    value: str

    @property
    def key(self) -> str:
        return f"sysctl {self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        now = self._now(machine)
        return None if now == self.value else Difference(summary=f"set {self.name} to {self.value}, from {now}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"value": self._now(machine)})
        self._write(machine, self.value)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if memory.was["value"] and self._now(machine) == self.value:
            self._write(machine, memory.was["value"])

    @property
    def _path(self) -> str:
        return f"/proc/sys/{self.name.replace('.', '/')}"

    def _now(self, machine: Machine) -> str:
        return machine.text(self._path).strip()

    def _write(self, machine: Machine, value: str) -> None:
        try:
            machine.path(self._path).write_text(f"{value}\n")
        except OSError as error:
            hint = "In a container, its host sets it."
            raise GrapeError(f"cannot set {self.name}: {error.strerror}", hint=hint) from None
