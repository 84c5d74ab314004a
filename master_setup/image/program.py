"""How Grape gets into a master's tree: out of its own Debian package, or as wheels. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from master_setup.facts import Facts
from master_setup.image.recipe import Addition, NotBuilt, TreeCopy
from master_setup.image.wishes import Wishes
from master_setup.options import Nfs, Options
from master_setup.program import VENVS, WHEELS
from master_setup.steps import STEPS

PLACE: Final = "/var/cache/grape-image"  # in the tree, while it is made
PYTHONS: Final = {"bookworm": "3.11", "trixie": "3.13"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Where Grape is taken from: one of the two."""

    deb: Path | None = None
    wheelhouse: Path | None = None  # wheels for arm64 and Python 3.11


def options(wishes: Wishes) -> Options:
    """Say what grape-setup is to make of the tree; the same is recorded for the machine's own administrator."""
    return Options(interface=wishes.interface, address=wishes.address, users=(wishes.user,), nfs=Nfs.KERNEL)


def needed(wishes: Wishes) -> tuple[str, ...]:
    """Name the packages that the steps of the set-up need on a machine like this."""
    facts = Facts(distribution="debian", version=12, arch="arm64", booted=False)
    return tuple(name for step in STEPS for name in step.packages(facts, options(wishes)))


def additions(program: Program) -> Iterator[Addition]:
    """Give what is copied into the tree: the wheels stay, for what is added once the board is known."""
    if program.wheelhouse is not None:
        yield TreeCopy(path=WHEELS, source=program.wheelhouse)


def commands(program: Program, wishes: Wishes) -> Iterator[tuple[str, ...]]:
    """Give the commands that set the tree up; nothing is started, because no systemd runs in it."""
    asked = ["--yes", "--no-packages", "--offline", "--user", wishes.user, "--nfs", Nfs.KERNEL.value]
    if wishes.interface:
        asked += ["--interface", wishes.interface, "--address", wishes.address]
    if program.deb is not None:
        yield ("grape-setup", "apply", "--packaged", *asked)
    elif program.wheelhouse is not None:
        wheel, wheels = f"{WHEELS}/{_own_wheel(program.wheelhouse)}", ("--wheelhouse", WHEELS)
        yield ("python3", "-m", "zipfile", "--extract", wheel, PLACE)
        yield ("env", f"PYTHONPATH={PLACE}", "python3", "-B", "-m", "master_setup", "apply", *wheels, *asked)
        yield ("rm", "-rf", PLACE)
    # By its full name: that may be this machine's own, which is faster. Who changes nothing need not be checked.
    python = f"python{PYTHONS[wishes.suite]}"
    yield (python, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", VENVS)


def _own_wheel(wheelhouse: Path) -> str:
    """Find Grape's own wheel. Raises: NotBuilt where there is none, or more than one."""
    names = sorted(path.name for path in wheelhouse.glob("grape-*.whl"))
    if len(names) != 1:
        raise NotBuilt(f"{wheelhouse} has {len(names) or 'no'} wheels of grape", hint="make wheelhouse ARCH=arm64")
    return names[0]
