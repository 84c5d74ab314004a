"""Whether this machine can run programs of an image's architecture, and how."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import BadImage
from graped.netboot.images.enter import ENVIRONMENT
from graped.netboot.inside import resolve

BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
QEMU_FOLDERS: Final = (Path("/usr/bin"), Path("/usr/local/bin"))
QEMU: Final = {"arm64": "aarch64", "armhf": "arm", "amd64": "x86_64"}  # the names that QEMU has for them
NATIVE: Final = {"x86_64": ("amd64",), "aarch64": ("arm64",), "armv7l": ("armhf",), "armv8l": ("armhf",)}
PER_LINUX32: Final = 0x0008  # personality(2)
HINT: Final = "Install qemu-user-static and binfmt-support on the master, or do it on a master of this architecture."


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """How to start a command: what to run instead, what must be seen inside for it, what people should know."""

    command: tuple[str, ...]
    binds: tuple[tuple[Path, str], ...] = ()
    note: str = ""


def emulation_of(
    root: Path,
    arch: str,
    command: tuple[str, ...],
    *,
    machine: str = "",
    binfmt: Path = BINFMT,
    qemu_folders: tuple[Path, ...] = QEMU_FOLDERS,
) -> Emulation:
    """Say how ``command`` runs in a root of this architecture ("" unknown: as it is). Raises: BadImage where it cannot.

    Where the kernel knows the format (binfmt_misc with the flag F), everything runs. Where only QEMU is installed,
    the command itself runs, but no program that it starts.
    """
    machine = machine or platform.machine()
    if not arch or is_native(arch, machine) or _registered(binfmt / f"qemu-{QEMU.get(arch, arch)}"):
        return Emulation(command=command)
    interpreter = f"qemu-{QEMU.get(arch, arch)}-static"
    found = next((folder / interpreter for folder in qemu_folders if (folder / interpreter).is_file()), None)
    if found is None:
        raise BadImage(f"programs for {arch} do not run on this {machine} machine: no {interpreter}", hint=HINT)
    program = _program(root, command[0])
    if program is None:
        raise BadImage(f"there is no {command[0]} in the image")
    return Emulation(
        command=(f"/run/grape/{interpreter}", "-0", command[0], program, *command[1:]),
        binds=((found, interpreter),),
        note=f"this kernel does not know programs for {arch}: only {command[0]} itself is emulated, nothing it starts",
    )


def is_native(arch: str, machine: str) -> bool:
    """Whether the processor runs these programs by itself."""
    if arch == "armhf" and machine == "aarch64":
        return _runs_32_bit()
    return arch in NATIVE.get(machine, ())


def _runs_32_bit() -> bool:
    """An arm64 kernel refuses this personality where the processor has no 32-bit mode."""
    libc = ctypes.CDLL(None)
    before = libc.personality(0xFFFFFFFF)
    if libc.personality(PER_LINUX32) < 0:
        return False
    libc.personality(before)
    return True


def _registered(entry: Path) -> bool:
    """Whether binfmt_misc starts the interpreter from any root: enabled, with the flag F (opened beforehand)."""
    try:
        lines = entry.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags:")), "")
    return lines[:1] == ["enabled"] and "F" in flags


def _program(root: Path, name: str) -> str | None:
    """Where a program is inside the root."""
    names = [name] if "/" in name else [f"{folder}/{name}" for folder in ENVIRONMENT["PATH"].split(":")]
    for candidate in names:
        place = resolve(root, candidate)
        if place is not None and place.is_file() and os.access(place, os.X_OK):
            return f"/{place.relative_to(root)}"
    return None
