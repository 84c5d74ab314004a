"""Python's access to GPIO pins: the package that fits board and kernel, one of the two and never both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup import program
from master_setup.board import GpioModule, gpio_module
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Link, Want

NAME = "gpio"
SUMMARY = "access to GPIO pins"
WHEEL: Final = "rpi-lgpio"
SYSTEM: Final = "/usr/lib/python3/dist-packages"
PYTHONS: Final = {12: "3.11", 13: "3.13"}
TRIPLETS: Final = {"arm64": "aarch64-linux-gnu", "armhf": "arm-linux-gnueabihf"}


def module(facts: Facts) -> GpioModule:
    """Return which package gives ``RPi.GPIO`` on this machine; NONE on a PC."""
    return gpio_module(facts.board, facts.kernel)


def extras(facts: Facts) -> tuple[str, ...]:
    """Return what the virtual environment is given: rpi-lgpio has wheels up to Python 3.11."""
    return (WHEEL,) if module(facts) is GpioModule.RPI_LGPIO and facts.version <= 12 else ()


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need the distribution's package where there is no wheel."""
    match module(facts):
        case GpioModule.RPI_GPIO:
            return ("python3-rpi.gpio",)
        case GpioModule.RPI_LGPIO if _from_system(facts):
            return ("python3-rpi-lgpio",)
        case _:
            return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the distribution's module seen in the virtual environment."""
    if not packages(facts, options) or facts.version not in PYTHONS or not facts.program.name:
        return ()
    python = PYTHONS[facts.version]
    names = ["RPi"]
    if module(facts) is GpioModule.RPI_LGPIO:
        kind = f"cpython-{python.replace('.', '')}-{TRIPLETS.get(facts.arch, '')}"
        names += ["lgpio.py", f"_lgpio.{kind}.so"]
    folder = f"{program.VENVS}/{facts.program.name}/lib/python{python}/site-packages"
    return [Link(path=f"{folder}/{name}", target=f"{SYSTEM}/{name}") for name in names]


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say where no package is known."""
    if module(facts) is GpioModule.RPI_LGPIO and facts.version > 12 and not _from_system(facts):
        return ["No package of rpi-lgpio for this system: graped has no display and no over-temperature line here."]
    return ()


def _from_system(facts: Facts) -> bool:
    return facts.version > 12 and facts.board.raspberry_os
