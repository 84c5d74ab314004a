"""What of an image's boot folder may be served. Reads folders; follows no link out of the boot folder."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.netboot.dhcp.render import LOADERS
from graped.netboot.tftp.words import CONFIG, image_cmdline_name

IPXE_FOLDER: Final = Path("/usr/lib/ipxe")  # Debian's package ipxe
TEXT_LIMIT_BYTES: Final = 65_536

# Boot partitions also hold passwords (userconf.txt, wpa_supplicant.conf, user-data): only what boots is served.
_SUFFIXES: Final = frozenset(
    {".bin", ".elf", ".dat", ".dtb", ".dtbo", ".img", ".sig", ".upd", ".efi", ".itb", ".gz", ".xz", ".zst", ".lz4"}
)
_NAMES: Final = re.compile(r"(?:vmlinu[xz]|kernel|initrd|initramfs).*|(?:linux|bzImage|Image|u-boot)(?:[-_].*)?|README")
_READ_BY_ALL: Final = 0o004
_ENTERED_BY_ALL: Final = 0o005


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFolder:
    """One image's boot files, by names relative to ``path``. ``closed`` ones may not be read by others: not served."""

    path: Path
    files: dict[str, Path]  # name -> the file itself
    whole: frozenset[str] = frozenset()  # top folders in which every file is served: one link will do
    closed: tuple[str, ...] = ()
    config: str = ""
    cmdline: str = ""


def read_boot(path: Path) -> BootFolder:
    """Look through an image's boot folder, which does not change any more."""
    path = path.resolve()
    config = _text(path, CONFIG)
    named = frozenset(re.split(r"[\s=,]+", config))
    files: dict[str, Path] = {}
    closed: list[str] = []
    partly: set[str] = set()
    for folder, folders, names in os.walk(path):
        inside = Path(folder).relative_to(path)
        if _is_odd(folder, folders):
            partly.update(inside.parts[:1])
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for relative in (inside / name for name in sorted(names)):
            found = _file(path, relative, named)
            readable = found is not None and os.stat(found).st_mode & _READ_BY_ALL
            if found is not None and readable:
                files[str(relative)] = found
            elif found is not None:
                closed.append(str(relative))
            if not readable or found != path / relative:
                partly.add(relative.parts[0])
    whole = frozenset(name.split("/")[0] for name in files if "/" in name) - partly
    return BootFolder(
        path=path,
        files=files,
        whole=whole,
        closed=tuple(closed),
        config=config,
        cmdline=_text(path, image_cmdline_name(config)),
    )


def loaders_in(folder: Path = IPXE_FOLDER) -> dict[str, Path]:
    """Return the network boot loaders for PCs that this machine has, by name."""
    return {name: folder / name for _, name in LOADERS.values() if (folder / name).is_file()}


def _file(boot: Path, relative: Path, named: frozenset[str]) -> Path | None:
    """Return the regular file behind a name that may be served; None for anything else."""
    name = relative.name
    if not (relative.suffix in _SUFFIXES or _NAMES.fullmatch(name) or str(relative) in named or name in named):
        return None
    found = (boot / relative).resolve()
    if not found.is_relative_to(boot) or not found.exists():
        return None
    return found if stat.S_ISREG(found.stat().st_mode) else None


def _is_odd(folder: str, folders: list[str]) -> bool:
    """Whether a folder may not be served whole, whatever its files: closed, or with hidden or linked ones in it."""
    closed = os.stat(folder).st_mode & _ENTERED_BY_ALL != _ENTERED_BY_ALL
    return closed or any(name.startswith(".") or os.path.islink(os.path.join(folder, name)) for name in folders)


def _text(boot: Path, name: str) -> str:
    """Read a small text; "" where it is not there, or not in the boot folder."""
    found = (boot / name).resolve()
    if not found.is_relative_to(boot) or not found.is_file():
        return ""
    with found.open("rb") as stream:
        return stream.read(TEXT_LIMIT_BYTES).decode(errors="replace").replace("\r\n", "\n")
