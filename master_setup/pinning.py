"""``make lock``: have pip choose versions, and note the hash of every wheel that any of our machines may need."""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from graped.errors import CommandFailed
from graped.files import write_atomic
from master_setup.lockfile import BUILD, FOLDER, GPIO, RUN, Lock, Pinned, normal, render
from master_setup.pip import Pip
from master_setup.targets import BEST_EFFORT, MACHINES, PYTHONS, Target

ROOT = FOLDER.parent
TARGETS = tuple(Target(python=python, arch=arch) for python in PYTHONS for arch in MACHINES)
# lgpio has no wheel for Python 3.13: there it comes as Debian's own package (python3-rpi-lgpio, python3-lgpio).
GPIO_TARGETS = tuple(target for target in TARGETS if target.python == "3.11")
Found = dict[tuple[str, str], set[str]]  # (name, version) -> hashes


def wanted(pyproject: Path) -> dict[str, tuple[str, ...]]:
    """Read what each lock file has to satisfy: requirements by file name."""
    table = tomllib.loads(pyproject.read_text())
    project = table["project"]
    return {
        RUN: tuple(project["dependencies"]),
        GPIO: tuple(project["optional-dependencies"]["gpio-lgpio"]),
        BUILD: tuple(table["build-system"]["requires"]),
    }


class Locker:
    """Asks pip, and pip's own index alone: what the machine has beside it must not get into a lock."""

    def __init__(self, pip: Pip, room: Path) -> None:
        self._pip = pip
        self._report = room / "report.json"

    def lock(self, requirements: Iterable[str], targets: tuple[Target, ...]) -> Lock:
        """Choose once for the first target; the same versions must do for all others."""
        found = self._ask(targets[0], tuple(requirements))
        pins = tuple(f"{name}=={version}" for name, version in found)
        missing: dict[str, tuple[str, ...]] = {}
        for target in targets:
            lacking = self._add(found, target, pins)
            if lacking:
                missing[target.name] = lacking
        packages = (Pinned(name=n, version=v, hashes=frozenset(hashes)) for (n, v), hashes in found.items())
        return Lock(packages=tuple(packages), missing=missing)

    def _add(self, found: Found, target: Target, pins: tuple[str, ...]) -> tuple[str, ...]:
        """Add a target's hashes; return the packages that have no wheel for it, which only some may lack."""
        print(f"{target.name} ...", file=sys.stderr, flush=True)
        try:
            # With dependencies: what another Python needs beside these must not be forgotten.
            _merge(found, self._ask(target, pins))
            return ()
        except CommandFailed:
            if target.arch not in BEST_EFFORT:
                raise
        lacking = []
        for pin in pins:
            try:
                _merge(found, self._ask(target, (pin,), "--no-deps"))
            except CommandFailed:
                lacking.append(pin.partition("==")[0])
        return tuple(lacking)

    def _ask(self, target: Target, requirements: tuple[str, ...], *options: str) -> Found:
        # --target is what makes pip accept another platform; nothing is written there in a dry run.
        self._pip.run(
            *("install", "--dry-run", "--ignore-installed", f"--target={self._report.parent / 'nowhere'}"),
            *(f"--report={self._report}", *target.pip_options(), *options, *requirements),
        )
        found: Found = {}
        for item in json.loads(self._report.read_text())["install"]:
            what = item["metadata"]
            hashes = item["download_info"]["archive_info"]["hashes"]
            found.setdefault((normal(what["name"]), what["version"]), set()).add(hashes["sha256"])
        return found


def _merge(found: Found, more: Found) -> None:
    for key, hashes in more.items():
        if key not in found and any(name == key[0] for name, _ in found):
            raise CommandFailed(f"{key[0]} has no version that all targets can use: {key[1]} is another one")
        found.setdefault(key, set()).update(hashes)


def main() -> None:
    """Write the lock files anew."""
    titles = {
        RUN: "What Grape needs to run.",
        GPIO: "GPIO on a Raspberry Pi with Python 3.11; never together with RPi.GPIO, the same module.",
        BUILD: "What builds Grape's own wheel.",
    }
    with tempfile.TemporaryDirectory() as room:
        locker = Locker(Pip(configured=False), Path(room))
        for name, requirements in wanted(ROOT / "pyproject.toml").items():
            lock = locker.lock(requirements, GPIO_TARGETS if name == GPIO else TARGETS)
            write_atomic(FOLDER / name, render(lock, title=titles[name]))


if __name__ == "__main__":
    main()
