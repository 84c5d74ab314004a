"""A package that has to go because another one takes its place: apt is told never to remove anything by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graped.errors import GrapeError
from master_setup import apt, dpkg, places
from master_setup.machine import Machine
from master_setup.record import FOLDER, Memory
from master_setup.wants.base import Difference, kind

KEPT: Final = f"{FOLDER}/packages"  # what was removed, for a revert that has no archive
SIMULATE_S: Final = 120.0


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """``old`` is not installed, for ``by`` is to be. Undone: ``old`` is there again, and ``by`` purged with that."""

    old: str
    by: str

    @property
    def key(self) -> str:
        return f"package {self.old}"

    def differs(self, machine: Machine) -> Difference | None:
        if self.old not in dpkg.complete(machine):
            return None
        return Difference(summary=f"remove {self.old}: {self.by} takes its place")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"installed": self.old in dpkg.complete(machine), "folders": []})
        if self.differs(machine) is not None:
            self._keep_copy(machine)
            self._apt(machine, "remove", self.old, may_go={self.old})
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        if memory.was["installed"] and self.old not in dpkg.complete(machine):
            copies = [f"{KEPT}/{name}" for name in machine.names(KEPT) if name.startswith(f"{self.old}_")]
            source = str(machine.path(copies[0])) if copies else self.old
            self._apt(machine, "--purge", "--no-install-recommends", "install", source, may_go={self.by})
        for name in machine.names(KEPT):
            if name.startswith(f"{self.old}_"):
                machine.path(f"{KEPT}/{name}").unlink()
        places.remove_empty(machine, [KEPT])

    def _keep_copy(self, machine: Machine) -> None:
        """Fetch the package as it is installed; where that does not work, a revert has to ask an archive."""
        folder = machine.path(KEPT)
        folder.mkdir(parents=True, exist_ok=True)
        version = dpkg.installed(machine).get(self.old, "")
        words = ("env", f"--chdir={folder}", "apt-get", "-o", "APT::Sandbox::User=root", "--quiet", "download")
        machine.succeeds(*words, f"{self.old}={version}", timeout_s=apt.UPDATE_S)

    def _apt(self, machine: Machine, *words: str, may_go: set[str]) -> None:
        """Run apt-get, where it would remove nothing but what may go. Raises GrapeError where it would."""
        said = machine.run("apt-get", "--simulate", "--quiet", *words, timeout_s=SIMULATE_S, env=apt.ENV).stdout
        lines = (line.split() for line in said.splitlines())
        others = {line[1] for line in lines if line[:1] in (["Remv"], ["Purg"])} - may_go
        if others:
            raise GrapeError(
                f"with {self.old} apt would remove {', '.join(sorted(others))}",
                hint=f"Exchange {self.old} and {self.by} by hand, then call this again.",
            )
        machine.run("apt-get", *apt.LOCK, "--yes", "--quiet", *words, timeout_s=apt.INSTALL_S, env=apt.ENV)
