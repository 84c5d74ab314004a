"""What a recipe adds to a tree, as a tar that is unpacked inside the tree: no link there leads it elsewhere."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import assert_never

from master_setup.image.recipe import Addition, NotBuilt, TreeCopy, TreeFile, TreeLink


def write_tar(additions: Iterable[Addition], into: Path, epoch: int) -> None:
    """Write the tar: numbers for owners, no time newer than ``epoch``. Raises: NotBuilt."""
    with tarfile.open(into, "w", format=tarfile.PAX_FORMAT) as tar:
        for one in additions:
            for member, content in _members(one, tar):
                member.mtime = min(int(member.mtime) or epoch, epoch)
                tar.addfile(member, content)


def _members(one: Addition, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, io.BufferedIOBase | None]]:
    name = _inside(one.path)
    match one:
        case TreeFile():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.gid = len(one.content), one.mode, one.owner, one.group
            yield member, io.BytesIO(one.content)
        case TreeLink():
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, one.target, 0o777
            yield member, None
        case TreeCopy():
            yield from _copied(one.source, name, tar)
        case _:
            assert_never(one)


def _copied(
    source: Path, name: str, tar: tarfile.TarFile
) -> Iterator[tuple[tarfile.TarInfo, io.BufferedIOBase | None]]:
    """Read a file, or a folder with all that is in it, by name: the same order each time."""
    try:
        member = tar.gettarinfo(source, name)
    except OSError as error:
        raise NotBuilt(f"{source} cannot be read: {error.strerror}") from error
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if member.isreg() or member.islnk():  # a hard link is copied once more
        member.type, member.size = tarfile.REGTYPE, source.stat().st_size
        with source.open("rb") as stream:
            yield member, stream
        return
    yield member, None
    if member.isdir():
        for inner in sorted(os.listdir(source)):
            yield from _copied(source / inner, f"{name}/{inner}", tar)


def _inside(path: str) -> str:
    """Give a path in the tree as tar has it. Raises: NotBuilt."""
    parts = Path(path).parts
    if not parts or parts[0] != "/" or ".." in parts or len(parts) < 2:
        raise NotBuilt(f"{path}: a path in the tree begins with / and has no ..")
    return "/".join(parts[1:])
