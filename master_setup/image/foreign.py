"""Whether this machine runs programs of another processor: asked before anything is built."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed
from graped.runner import Runner
from master_setup.image.recipe import NotBuilt

BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
EMULATORS: Final = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64", "armhf": "qemu-arm"}
MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "armv6l": "armhf"}
_SHORT_S: Final = 20.0
_HINT: Final = "sudo apt install qemu-user-static binfmt-support arch-test"


def machine_arch() -> str:
    """Name this machine's processor as Debian does; its own name where we do not know it."""
    machine = os.uname().machine
    return MACHINES.get(machine, machine)


def check(arch: str, runner: Runner, binfmt: Path = BINFMT) -> None:
    """Have ``arch`` run here: as our own processor, as one that it also understands, or emulated. Raises: NotBuilt."""
    if arch == machine_arch():
        return
    try:
        answer = runner.run(("arch-test", arch), timeout_s=_SHORT_S, expect=frozenset({0, 1, 2})).code
    except CommandFailed:
        raise NotBuilt("arch-test is not installed: it tells what runs here", hint=_HINT) from None
    if answer != 0:
        why = "is not set up" if emulator_flags(arch, binfmt) is None else "does not work"
        raise NotBuilt(f"programs for {arch} do not run here: their emulator (binfmt) {why}", hint=_HINT)
    flags = emulator_flags(arch, binfmt)
    if flags is not None and "F" not in flags:
        raise NotBuilt(
            f"the emulator for {arch} is not seen inside a new root: it was registered without the flag F",
            hint="sudo apt install --reinstall qemu-user-static",
        )


def emulator_flags(arch: str, binfmt: Path = BINFMT) -> str | None:
    """Give the flags of the emulator that the kernel has for ``arch``; None where it has none. Source: binfmt-misc."""
    try:
        lines = (binfmt / EMULATORS.get(arch, f"qemu-{arch}")).read_text().splitlines()
    except OSError:
        return None
    if not lines or lines[0] != "enabled":
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("flags:")), "")
