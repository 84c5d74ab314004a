"""A master's image from its recipe to the files that are flashed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.runner import LineRunner
from master_setup.image import program, system, wishes
from master_setup.image.disk import make_disk, used_bytes
from master_setup.image.feed import feed
from master_setup.image.layout import fresh_disk_id, lay_out
from master_setup.image.program import Program
from master_setup.image.progress import Progress, Tell
from master_setup.image.recipe import NotBuilt, Recipe
from master_setup.image.release import Release, pack, publish, release
from master_setup.image.room import need, room
from master_setup.image.tree import Built, Cache, build_tree
from master_setup.image.wishes import Wishes
from master_setup.steps.bootconfig import lacking

ARCH: Final = "arm64"
# program -> Debian package
TOOLS: Final = {
    "mmdebstrap": "mmdebstrap", "sfdisk": "fdisk", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "mke2fs": "e2fsprogs",
    "xz": "xz-utils", "bmaptool": "bmap-tools",
}  # fmt: skip
LEFT_OUT: Final = ("/usr/share/man/??/*", "/usr/share/man/??_*/*", "/usr/share/locale/*", "/usr/share/info/*")
LEAST_BYTES: Final = 3_000_000_000  # a small system as a tree, as a disk, and packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a build has made."""

    release: Release
    built: Built
    size_bytes: int  # of the card


def recipe(asked: Wishes, source: Program, disk_id: int, sources: str = "") -> Recipe:
    """Say what the tree of a master is made of. Pure but for the files of Grape itself."""
    return Recipe(
        suite=asked.suite,
        arch=ARCH,
        packages=system.packages(asked, program.needed(asked)),
        components=system.COMPONENTS,
        sources=sources,
        debs=(source.deb,) if source.deb is not None else (),
        early=system.early(disk_id),
        # Debian's device trees have both I2C buses on.
        files=(*system.files(asked, disk_id, lacking("", buses=False)), *program.additions(source)),
        hooks=(
            *system.commands(asked), *program.commands(source, asked), *system.boot_files(), *system.leave_open(),
        ),
        left_out=LEFT_OUT,
    )  # fmt: skip


def build(
    asked: Wishes,
    source: Program,
    out: Path,
    *,
    cache: Cache,
    level: int,
    runner: LineRunner,
    tell: Tell,
    sources: str = "",
) -> Made:
    """Build ``out`` and the two files beside it: all three whole, or nothing. Root is needed.

    Raises: RequestError, NotBuilt, NoSpace, Conflict, CommandFailed.
    """
    wishes.check(asked)
    wanted = release(out)
    check_tools()
    disk_id = fresh_disk_id()
    with room(out) as folder:
        need(folder, LEAST_BYTES, "an image")
        tree = folder / "tree"
        built = build_tree(recipe(asked, source, disk_id, sources), tree, cache, runner, tell)
        if asked.password:
            feed(("chroot", str(tree), "chpasswd"), [f"{asked.user}:{asked.password}\n".encode()])
        tell(Progress(phase="measure"))
        used = used_bytes(tree)
        layout = lay_out(used_bytes=used, disk_id=disk_id, size_bytes=asked.size_bytes)
        need(folder, used + used // 2, "the image of this system")
        make_disk(tree, folder / "disk.img", layout, runner, tell)
        made = pack(folder / "disk.img", folder, out.name, level=level, runner=runner, tell=tell)
        publish(made, wanted)
    return Made(release=wanted, built=built, size_bytes=layout.size_bytes)


def check_tools() -> None:
    """Find out before the long part what is missing. Raises: NotBuilt."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise NotBuilt(f"programs are missing here: {', '.join(missing)}", hint=f"sudo apt install {' '.join(missing)}")
