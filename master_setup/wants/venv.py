"""The program: a virtual environment for each state of it, and a daemon that runs from the one in use."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, GrapeError
from graped.files import remove_tree
from master_setup import lockfile, places, program, sources
from master_setup.machine import Machine
from master_setup.record import Memory
from master_setup.wants.base import Difference, kind

MAKE_S: Final = 900.0  # emulated, while an image is made
INSTALL_S: Final = 3600.0  # a wheel that an index does not have is compiled: on a Pi that takes its time
RESTART_S: Final = 180.0
ENV: Final = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
PASSED: Final = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")  # which index, and how


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """A virtual environment, complete. It is made in its own place and used by nobody before the link leads to it."""

    name: str
    wheel: str = ""
    source: str = ""
    wheelhouse: str = ""
    lock: str = ""
    extras: tuple[str, ...] = ()
    offline: bool = False

    @property
    def key(self) -> str:
        return "venv"

    @property
    def path(self) -> str:
        """Return where it is."""
        return f"{program.VENVS}/{self.name}"

    def differs(self, machine: Machine) -> Difference | None:
        if machine.read(f"{self.path}/{program.COMPLETE}") == self._mark():
            return None
        origin = Path(self.wheel or self.source).name
        return Difference(summary=f"make virtual environment {self.path} of {origin}")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({"venvs": list(machine.names(program.VENVS))})
        if not (self.wheel or self.source):
            raise GrapeError(
                f"{self.path} is not complete, and there is nothing to make it of", hint="--wheelhouse DIR"
            )
        if self.offline and not self.wheelhouse:
            raise GrapeError("no index may be asked, and there is no wheelhouse", hint="Give --wheelhouse DIR.")
        _end_leftovers(machine, self.path)
        remove_tree(machine.path(self.path))
        machine.path(self.path).parent.mkdir(parents=True, exist_ok=True)
        machine.run(program.PYTHON, "-m", "venv", self.path, timeout_s=MAKE_S, env=ENV)
        machine.say(f"installing grape from {self.wheelhouse or 'the index'}")
        self._install(machine)
        places.put(machine.path(f"{self.path}/{program.COMPLETE}"), self._mark(), mode=0o644, owner=None)
        self._drop_old(machine)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Remove all environments; Python itself is not in them, and what runs now is loaded."""
        for name in machine.names(program.VENVS):
            if name not in memory.was["venvs"]:
                remove_tree(machine.path(f"{program.VENVS}/{name}"))

    def _mark(self) -> bytes:
        return "".join(f"{extra}\n" for extra in self.extras).encode()

    def _install(self, machine: Machine) -> None:
        if self.lock:
            self._pip(machine, "install", "--require-hashes", "--no-deps", f"--requirement={self.lock}")
        if self.extras:
            locked = Path(self.lock).with_name(lockfile.GPIO) if self.lock else Path()
            hashed = ("--require-hashes", "--no-deps", f"--requirement={locked}")
            self._pip(machine, "install", *(hashed if locked.is_file() else self.extras))
        if self.wheel:
            return self._pip(machine, "install", *(["--no-deps"] if self.lock else []), self.wheel)
        tree = f"{program.VENVS}/.source"
        remove_tree(machine.path(tree))
        sources.copy(Path(self.source), machine.path(tree))
        try:
            self._pip(machine, "install", *(["--no-deps"] if self.lock else []), tree)
        finally:
            remove_tree(machine.path(tree))

    def _pip(self, machine: Machine, verb: str, *words: str) -> None:
        where = ("--no-index", f"--find-links={self.wheelhouse}") if self.wheelhouse else ()
        try:
            python = f"{self.path}/bin/python"
            machine.run(
                python, "-m", "pip", verb, "--quiet", "--no-input", *where, *words, timeout_s=INSTALL_S, env=_env()
            )
        except CommandFailed as error:
            source = f"the wheels in {self.wheelhouse}" if self.wheelhouse else "the package index"
            raise GrapeError(
                f"pip could not install grape: {error}",
                hint=f"Look at {source}. make wheelhouse, on a machine with Internet, makes a folder for --wheelhouse.",
            ) from error

    def _drop_old(self, machine: Machine) -> None:
        """Remove what was made before the one in use: a daemon may still run from that one."""
        for name in machine.names(program.VENVS):
            if name not in (self.name, program.in_use(machine)):
                remove_tree(machine.path(f"{program.VENVS}/{name}"))


def _end_leftovers(machine: Machine, path: str) -> None:
    """End what a killed run has left at work in an environment that is not complete: nobody else uses that."""
    for pid in filter(str.isdigit, machine.names("/proc")):
        words = (machine.read(f"/proc/{pid}/cmdline") or b"").split(b"\0")
        if path.encode() in words or words[0].startswith(f"{path}/bin/".encode()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _env() -> dict[str, str]:
    """Return what pip is told besides its words: which index, proxy and certificates are the machine's affair."""
    return {**{name: value for name, value in os.environ.items() if name.upper().startswith(PASSED)}, **ENV}


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A daemon that runs, runs from the environment in use: else it is started anew. No slot changes by that."""

    unit: str

    @property
    def key(self) -> str:
        return f"current {self.unit}"

    def differs(self, machine: Machine) -> Difference | None:
        words = machine.read(f"/proc/{self._pid(machine)}/cmdline") if self._pid(machine) else None
        if words is None or f"{program.VENVS}/" not in words.decode(errors="replace"):
            return None
        if f"{program.VENVS}/{program.in_use(machine)}/" in words.decode(errors="replace"):
            return None
        return Difference(summary=f"restart {self.unit}: it runs an older program")

    def make(self, machine: Machine, memory: Memory) -> None:
        memory.remember({})
        if self._pid(machine):
            machine.run("systemctl", "daemon-reload")
            machine.run("systemctl", "restart", self.unit, timeout_s=RESTART_S)
        memory.finish({})

    def undo(self, machine: Machine, memory: Memory) -> None:
        """Nothing: the unit's own want stops it."""

    def _pid(self, machine: Machine) -> int:
        if not machine.booted:
            return 0
        said = machine.says("systemctl", "show", "--property=MainPID", "--value", self.unit)
        return int(said) if said.isdigit() else 0
