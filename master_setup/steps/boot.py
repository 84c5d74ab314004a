"""A Raspberry Pi starts with both I2C buses on and with the pins of the stacks as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup.board import FIRMWARE_LINES
from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import bootconfig
from master_setup.wants import Command, File, Want
from master_setup.wants.kernel import BootLines

NAME = "boot"
SUMMARY = "I2C buses and pins of a Raspberry Pi, from its start on"
MODULES: Final = "/etc/modules-load.d/grape.conf"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the lines that the firmware's configuration lacks, and the devices /dev/i2c-*."""
    board = facts.board
    if not board.is_pi:
        return ()
    found: list[Want] = []
    lines = bootconfig.lacking(board.config, buses=not board.hooked)  # Debian's device trees have the buses on
    if lines and board.hooked:
        found.append(BootLines(path=FIRMWARE_LINES, text="\n".join(lines), hook=True))
    elif lines and board.boot_folder:
        found.append(BootLines(path=f"{board.boot_folder}/config.txt", text="\n".join(lines)))
    found.append(File(path=MODULES, content="# Written by Grape's master_setup.\ni2c-dev\n"))
    if facts.booted:
        there = ("test", "-d", "/sys/class/i2c-dev")
        found.append(Command(name="load i2c-dev", check=there, do=("modprobe", "i2c-dev")))
    return found


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say what stands against it, and what has to be done by hand."""
    board = facts.board
    if not board.is_pi:
        return ()
    if not board.boot_folder and not board.hooked:
        lines = " ".join(bootconfig.lacking(""))
        return [f"No config.txt in /boot/firmware or /boot: put these lines into the one that counts: {lines}"]
    path = FIRMWARE_LINES if board.hooked else f"{board.boot_folder}/config.txt"
    return [f"{path}: {sentence}." for sentence in bootconfig.contradictions(board.config)]
