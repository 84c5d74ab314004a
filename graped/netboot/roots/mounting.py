"""Mount or unmount one root: ``python -m graped.netboot.roots.mounting mount|unmount NODE--GENERATION``.

A program of its own because a mount must be made in the host's mount namespace, where the NFS server sees it, and
graped runs in a namespace of its own under systemd: the unit ``grape-root@NODE--GENERATION.service`` runs this.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
import uuid
from pathlib import Path
from typing import Final

from graped.config.types import Strategy
from graped.errors import CommandFailed, Conflict, GrapeError, InUse, NotFound
from graped.netboot.mountinfo import mounted_below
from graped.netboot.roots.records import Layout, read_making
from graped.netboot.systemd import FOLDER_VARIABLE
from graped.runner import Runner, SubprocessRunner

DEFAULT_FOLDER: Final = "/var/lib/grape/netboot"
TIMEOUT_S: Final = 120.0  # all indexed folders are verified at the mount: slow with a large upper layer
# nfs_export needs index and no metacopy; redirect_dir lets a folder of the image be renamed. See overlayfs.rst.
OPTIONS: Final = "index=on,nfs_export=on,redirect_dir=on,metacopy=off,nosuid,nodev"
# A program that was started in a mount namespace of its own while a root was mounted holds it until it ends, though
# it is unmounted here: commands in an image are such programs.
BUSY_TRIES: Final = 50
BUSY_PAUSE_S: Final = 0.2
_BUSY_WORDS: Final = ("busy", "already mounted")  # how mount(8) says EBUSY; the second where a source has this name
ID: Final = "trusted.overlay.uuid"  # of 16 bytes; kernels before 6.6 pass over it
_SPECIAL: Final = re.compile(r'[,:\\"\s]')  # what has a meaning in the options of an overlay


def mount(layout: Layout, node: str, generation: str, runner: Runner) -> None:
    """Mount a root where its strategy needs a mount and it has none yet.

    Raises NotFound, Conflict where the folder's path has a character that an overlay cannot have, CommandFailed.
    """
    making = read_making(layout, node, generation)
    if making is None:
        raise NotFound(f"{node} has no root {generation}")
    if making.strategy is not Strategy.OVERLAY or (node, generation) in mounted(layout):
        return
    home = layout.generation(node, generation)
    lower = layout.folder / making.lower
    if _SPECIAL.search(f"{lower}{home}"):
        raise Conflict(
            f"an overlay cannot be below {layout.folder}: its path has a comma, colon, backslash, quote or space",
            hint="Choose another netboot.folder, or another strategy.",
        )
    mount_overlay(lower, home, f"grape-{node}-{generation}", runner)


def mount_overlay(lower: Path, home: Path, source: str, runner: Runner) -> None:
    """Mount ``home/fs`` of ``lower``, ``home/upper`` and ``home/work``; wait a little while they are in use."""
    with contextlib.suppress(OSError):  # what is wrong there, mount(8) tells in its words
        own_id(home / "upper")
    places = f"lowerdir={lower},upperdir={home / 'upper'},workdir={home / 'work'}"
    argv = ("mount", "-t", "overlay", source, "-o", f"{OPTIONS},{places}", str(home / "fs"))
    for left in range(BUSY_TRIES, -1, -1):
        try:
            runner.run(argv, timeout_s=TIMEOUT_S)
            return
        except CommandFailed as error:
            if not left or not any(words in error.detail for words in _BUSY_WORDS):
                raise
        time.sleep(BUSY_PAUSE_S)


def own_id(upper: Path, *, anew: bool = False) -> None:
    """Give an overlay that is not mounted an id of its own, which its ``statfs`` shows; keep the one it has.

    NFS-Ganesha tells file systems apart by it, and refuses the second of two with one id. The kernel gives none to an
    overlay that an older kernel has mounted, and a copy has that of what it was copied of (``anew``).
    Source: overlayfs.rst, "UUID and fsid".
    """
    if anew or ID not in os.listxattr(upper):
        os.setxattr(upper, ID, uuid.uuid4().bytes)


def unmount(layout: Layout, node: str, generation: str, runner: Runner) -> None:
    """Unmount a root that is mounted. Never lazily: it stays as it is while somebody uses it.

    Raises InUse, CommandFailed.
    """
    if (node, generation) not in mounted(layout):
        return
    try:
        runner.run(("umount", str(layout.root(node, generation))), timeout_s=TIMEOUT_S)
    except CommandFailed as error:
        if (node, generation) in mounted(layout):
            raise in_use(node, generation) from error


def mounted(layout: Layout) -> frozenset[tuple[str, str]]:
    """Tell which (node, generation) have a mount."""
    roots = layout.roots.resolve()
    parts = (point.relative_to(roots).parts for point in mounted_below(layout.roots))
    return frozenset((part[0], part[1]) for part in parts if len(part) == 3 and part[2] == "fs")


def in_use(node: str, generation: str) -> InUse:
    """Say that a root cannot be unmounted."""
    return InUse(
        f"root {generation} of {node} is in use and stays mounted",
        hint="It goes at the next try after its node is off and the NFS server has let go of it.",
    )


def main(argv: list[str] | None = None) -> int:
    """Do what a unit asks for; the folder is in the environment, which graped writes for the units."""
    parser = argparse.ArgumentParser(prog="python -m graped.netboot.roots.mounting", description=__doc__)
    parser.add_argument("verb", choices=("mount", "unmount"))
    parser.add_argument("root", metavar="NODE--GENERATION")
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get(FOLDER_VARIABLE, DEFAULT_FOLDER)))
    args = parser.parse_args(argv)
    node, _, generation = args.root.rpartition("--")
    act = mount if args.verb == "mount" else unmount
    try:
        act(Layout(args.folder), node, generation, SubprocessRunner())
    except ValueError as error:
        parser.error(str(error))
    except GrapeError as error:
        print(error.detail, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
