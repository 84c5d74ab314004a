"""The boot script of an ordinary machine (``model = "pxe"``). Pure. Source: ipxe.org/cmd, ipxe.org/scripting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from graped.errors import BadImage

_KERNEL: Final = re.compile(r"(?:vmlinuz|vmlinux|linux|kernel|bzImage)(?:-(?P<version>.+))?")
_INITRD: Final = re.compile(r"(?:initrd\.img|initramfs|initrd)(?:-(?P<version>.+?))?(?:\.img)?")
_NOT_BOOTED: Final = (".old", ".sig", ".hmac", ".bak", ".dpkg-new", ".dpkg-tmp")


@dataclass(frozen=True, slots=True)
class Boot:
    """File names in the boot folder; ``initrd`` is None where the kernel has all it needs."""

    kernel: str
    initrd: str | None


def choose(names: Iterable[str]) -> Boot:
    """Return the newest kernel with the initrd of its version. Raises: BadImage where there is no kernel."""
    files = [name for name in names if "/" not in name and not name.endswith(_NOT_BOOTED)]
    kernels = _versions(files, _KERNEL)
    if not kernels:
        raise BadImage(
            "the image has no kernel that a PC could boot: no vmlinuz-VERSION in its boot folder",
            hint="Install a kernel package in the image (grapecli image exec), or choose another image.",
        )
    version = max(kernels, key=_rank)
    return Boot(kernels[version], _versions(files, _INITRD).get(version))


def script(boot: Boot, words: str) -> str:
    """Return ``boot.ipxe``: file names are relative to it, so to the node's own folder."""
    initrd = f" initrd={boot.initrd}" if boot.initrd else ""
    lines = ["#!ipxe", "# Written by graped.", f"kernel {boot.kernel}{initrd} {words}"]
    lines += [f"initrd {boot.initrd}"] if boot.initrd else []
    return "\n".join([*lines, "boot"]) + "\n"


def _versions(names: Iterable[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """Return name by version; "" is the version of a name without one."""
    found = ((pattern.fullmatch(name), name) for name in names)
    return {match["version"] or "": name for match, name in found if match}


def _rank(version: str) -> list[tuple[bool, int, str]]:
    """Order versions as people read them: 6.10 is newer than 6.9."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.findall(r"\d+|[a-z]+", version)]
