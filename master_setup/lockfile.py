"""The lock files: which version of every package, and the hashes that its wheels may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
# Three groups: what runs; RPi.GPIO's successor, which is wanted on a Pi alone; what builds Grape's own wheel.
RUN, GPIO, BUILD = "requirements.lock", "requirements-gpio.lock", "requirements-build.lock"
LOCKS = (RUN, GPIO, BUILD)
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_MISSING = re.compile(r"^# no wheel for (\S+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One package at one version; ``hashes`` are those of its wheels for all targets (sha256, hex)."""

    name: str
    version: str
    hashes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One lock file. ``missing`` says which packages have no wheel for a target (``cp311-armhf``)."""

    packages: tuple[Pinned, ...]
    missing: dict[str, tuple[str, ...]]

    def complete(self, target: str) -> bool:
        """Whether everything can be installed there from wheels alone, and checked by its hash."""
        return not self.missing.get(target)


def normal(name: str) -> str:
    """Return the one spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> Lock:
    """Read a lock file."""
    return parse(path.read_text())


def parse(text: str) -> Lock:
    """Read what :func:`render` wrote."""
    packages = []
    for entry in text.replace("\\\n", " ").splitlines():
        if found := _PINNED.match(entry):
            hashes = frozenset(_HASH.findall(entry))
            packages.append(Pinned(name=normal(found[1]), version=found[2], hashes=hashes))
    missing = {target: tuple(names.split(", ")) for target, names in _MISSING.findall(text)}
    return Lock(packages=tuple(packages), missing=missing)


def render(lock: Lock, *, title: str) -> str:
    """Write a lock as pip reads it with ``--require-hashes``."""
    lines = [f"# {title} Made by `make lock`: do not edit."]
    lines += [f"# no wheel for {target}: {', '.join(names)}" for target, names in sorted(lock.missing.items())]
    for package in sorted(lock.packages, key=lambda one: one.name):
        hashes = [f"--hash=sha256:{value}" for value in sorted(package.hashes)]
        lines.append(" \\\n    ".join([f"{package.name}=={package.version}", *hashes]))
    return "\n".join(lines) + "\n"
