"""What board this is and how it is started: a Raspberry Pi by its device tree, or none. Pure, but for :func:`look`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from master_setup.machine import Machine
from master_setup.wants.blocks import without_block

MODEL_FILES: Final = ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model")
BOOT_FOLDERS: Final = ("/boot/firmware", "/boot")  # from bookworm on; before
FIRMWARE_HOOK: Final = "/etc/kernel/postinst.d/z50-raspi-firmware"
FIRMWARE_LINES: Final = "/etc/default/raspi-firmware-custom"  # Debian's hook puts them at the end of config.txt
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)")
_RPI_KERNEL: Final = re.compile(r"rpi|rpt|-v[678]l?\+?$|-v8-16k\+?$|^\d+\.\d+\.\d+\+$")


class GpioModule(StrEnum):
    """Which package gives the Python module ``RPi.GPIO``: one of the two, never both."""

    NONE = ""
    RPI_GPIO = "RPi.GPIO"
    RPI_LGPIO = "rpi-lgpio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A Raspberry Pi and its boot files; ``model`` "" for anything else."""

    model: str = ""  # "Raspberry Pi 4 Model B Rev 1.4"
    boot_folder: str = ""  # where config.txt is; "" where there is none
    config: str = ""  # what config.txt says but for our own lines; of one that Debian writes, what is put into it
    raspberry_os: bool = False  # Raspberry Pi OS, and so its archive
    hooked: bool = False  # Debian's raspi-firmware writes config.txt anew with each kernel; its kernel has I2C on

    @property
    def is_pi(self) -> bool:
        """Whether this is a Raspberry Pi."""
        return "Raspberry Pi" in self.model

    @property
    def is_pi5(self) -> bool:
        """Whether its pins are those of the chip RP1: Pi 5, 500, Compute Module 5."""
        return re.search(r"Raspberry Pi (Compute Module )?5", self.model) is not None


def gpio_module(board: Board, kernel: str) -> GpioModule:
    """Choose the module that works with this board and kernel.

    RPi.GPIO reads edges from sysfs with numbers that the Raspberry Pi's own kernels gave up with 6.6 and Debian's never
    had, and it does not know the RP1; there, rpi-lgpio asks the kernel.
    """
    if not board.is_pi:
        return GpioModule.NONE
    found = _RELEASE.match(kernel)
    old = found is not None and (int(found[1]), int(found[2])) < (6, 6)
    if old and not board.is_pi5 and _RPI_KERNEL.search(kernel):
        return GpioModule.RPI_GPIO
    return GpioModule.RPI_LGPIO


def look(machine: Machine) -> Board:
    """Look at the board."""
    model = next((text for text in map(machine.text, MODEL_FILES) if text), "").strip("\0\n ")
    folder = next((name for name in BOOT_FOLDERS if machine.read(f"{name}/config.txt") is not None), "")
    hooked = FIRMWARE_LINES in machine.text(FIRMWARE_HOOK)  # Raspberry Pi OS has a hook of this name that does not
    path = FIRMWARE_LINES if hooked else f"{folder}/config.txt"
    text = without_block(machine.text(path)) if folder or hooked else ""
    ours = machine.exists("/etc/rpi-issue")
    return Board(model=model, boot_folder=folder, config=text, hooked=hooked, raspberry_os=ours)
