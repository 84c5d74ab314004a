"""What an installation of packages brings: packages, accounts, and files that no package owns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from master_setup import accounts, dpkg
from master_setup.machine import Machine
from master_setup.record import FOLDER

# Written by the script `install` before it installs python3.
BEFORE: Final = f"{FOLDER}/before"
SEEN: Final = ("packages", "users", "groups", "paths")
NAMES: Final = (*SEEN, "folders")


def snapshot(machine: Machine) -> dict[str, list[str]]:
    """Return what is there now."""
    return {
        "packages": sorted(dpkg.installed(machine)),
        "users": sorted(accounts.users(machine)),
        "groups": sorted(accounts.groups(machine)),
        "paths": sorted(dpkg.walk(machine)),
    }


def bootstrapped(machine: Machine) -> dict[str, list[str]] | None:
    """Return what was there before the script ``install`` brought python3; None where it did not have to."""
    if not machine.exists(f"{BEFORE}/complete"):
        return None
    return {
        "packages": machine.text(f"{BEFORE}/packages").split(),
        "users": [line.split(":")[0] for line in machine.text(f"{BEFORE}/passwd").splitlines()],
        "groups": [line.split(":")[0] for line in machine.text(f"{BEFORE}/group").splitlines()],
        "paths": [path for path in machine.text(f"{BEFORE}/paths").split("\n") if path],
    }


def between(machine: Machine, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is new; of the paths those that no package owns, and as ``folders`` those that a new package owns."""
    came = {name: sorted(set(new[name]) - set(old[name])) for name in SEEN}
    owned, others = dpkg.owned(machine), dpkg.owned(machine, without=came["packages"])
    theirs = [path for path in came["paths"] if path in owned and path not in others]
    return {
        **came,
        "paths": [path for path in came["paths"] if path not in owned and _from_packages(path, others)],
        "folders": [path for path in theirs if machine.path(path).is_dir() and not machine.path(path).is_symlink()],
    }


def _from_packages(path: str, others: frozenset[str]) -> bool:
    """Tell whether a new path can have come with new packages: not where a package that was there keeps its state.

    ``others`` are the paths of those. /etc and /usr/local are everybody's: what is new in them counts.
    """
    if not path.startswith("/var/"):
        return True
    folder = path.rpartition("/")[0]
    while folder not in others and folder not in dpkg.WATCHED:
        folder = folder.rpartition("/")[0]
    return folder in dpkg.WATCHED


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return both together."""
    return {name: sorted({*one.get(name, ()), *other.get(name, ())}) for name in NAMES}
