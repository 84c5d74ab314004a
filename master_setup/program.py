"""Where the program comes from, and the name of the virtual environment that holds just that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import GrapeError
from master_setup import lockfile, sources, targets
from master_setup.machine import Machine
from master_setup.options import Options
from master_setup.record import digest

VENVS: Final = "/opt/grape/venvs"
LINK: Final = "/opt/grape/venv"
WHEELS: Final = "/opt/grape/wheels"  # where the .deb has them
PYTHON: Final = "/usr/bin/python3"  # the distribution's own: the environment lives as long as it does
COMPLETE: Final = ".complete"  # in an environment that was made to its end
HERE: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One state of the program. ``name`` changes with all that the environment is made of."""

    name: str  # of the folder: "0.1.0-3f9c2a4b5d6e"
    wheel: str = ""  # a grape wheel
    source: str = ""  # else a source tree
    wheelhouse: str = ""  # where the wheels of what it needs are; "" asks an index
    lock: str = ""  # their versions and hashes; "" takes what suits


def find(machine: Machine, options: Options, arch: str) -> Program:
    """Find the program: a grape wheel in the wheelhouse, else the source tree that runs this, else what is in use.

    Raises GrapeError where there is none of these.
    """
    wheelhouse = options.wheelhouse or (WHEELS if options.packaged else "")
    there = wheelhouse and machine.path(wheelhouse).is_dir()
    wheels = sorted(machine.path(wheelhouse).glob("grape-*.whl")) if there else []
    if len(wheels) > 1:
        raise GrapeError(f"there are {len(wheels)} wheels of grape in {wheelhouse}", hint="Leave one of them.")
    from_tree = (HERE / "pyproject.toml").is_file()
    if not wheels and (not from_tree or (wheelhouse and not there)):
        return _in_use(machine, wheelhouse)
    python = machine.says(PYTHON, "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    lock = _lock(machine.path(wheelhouse) if there else HERE / "master_setup", python, arch)
    content = digest(wheels[0].read_bytes()) if wheels else sources.digest(HERE)
    version = wheels[0].name.split("-")[1] if wheels else sources.version_of(HERE)
    key = digest(f"{python} {content} {digest(lock.read_bytes()) if lock else ''}".encode())
    return Program(
        name=f"{version}-{key[:12]}",
        wheel=str(wheels[0]) if wheels else "",
        source="" if wheels else str(HERE),
        wheelhouse=wheelhouse if there else "",
        lock=str(lock or ""),
    )


def in_use(machine: Machine) -> str:
    """Return the name of the environment that is in use; "" where there is none."""
    try:
        return Path(os.readlink(machine.path(LINK))).name
    except OSError:
        return ""


def _lock(folder: Path, python: str, arch: str) -> Path | None:
    """Return the lock of a folder; None where there is none, or not every package has a wheel for this machine."""
    path = folder / lockfile.RUN
    if not path.is_file() or arch not in targets.MACHINES or python not in targets.PYTHONS:
        return None
    return path if lockfile.read_lock(path).complete(targets.Target(python=python, arch=arch).name) else None


def _in_use(machine: Machine, wheelhouse: str) -> Program:
    name = in_use(machine)
    if not name:
        raise GrapeError(
            f"there is no grape wheel in {wheelhouse or 'a wheelhouse'}, and no source tree",
            hint="Give --wheelhouse DIR, or call ./master_setup/install in the source tree.",
        )
    return Program(name=name)
