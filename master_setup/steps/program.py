"""The program itself, below /opt/grape, and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup import program
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import gpio
from master_setup.wants import Folder, Link, Venv, Want

NAME = "program"
SUMMARY = "the program, in a virtual environment of its own"
COMMANDS: Final = ("graped", "grapecli", "grape_docker", "grape-setup", "grape-image")
COMPILERS: Final = ("build-essential", "libffi-dev", "python3-dev")
BIN: Final = "/usr/local/bin"  # the .deb has links in /usr/bin


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need what makes a virtual environment, and on an architecture without all wheels what compiles the rest."""
    builds = COMPILERS if _compiles(facts) and not facts.board.raspberry_os else ()
    return ("python3", "python3-venv", *builds)


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the environment, then the link to it: one rename exchanges the program."""
    found = facts.program
    venv = Venv(
        name=found.name,
        wheel=found.wheel,
        source=found.source,
        wheelhouse=found.wheelhouse,
        lock=found.lock,
        extras=gpio.extras(facts),
        offline=options.offline,
    )
    links = (
        []
        if options.packaged
        else [Link(path=f"{BIN}/{name}", target=f"{program.LINK}/bin/{name}") for name in COMMANDS]
    )
    return [
        Folder(path="/opt/grape"),
        Folder(path=program.VENVS),
        venv,
        Link(path=program.LINK, target=f"venvs/{found.name}"),
        *links,
    ]


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say where the set-up is not one that is tested whole."""
    if not _compiles(facts):
        return []
    return [f"{facts.arch} by best effort: what has no wheel is fetched from piwheels or compiled here, unlocked."]


def _compiles(facts: Facts) -> bool:
    return facts.arch not in ("amd64", "arm64")
