"""The canonical description of a tree, one line an entry, and the digest that names it.

What counts: path, kind, mode, owner, extended attributes, content, link target, device numbers, and which names are
one file. What does not: times, so that the same tree imported twice, or from a tar and from an .img, is one version;
and how a file lies on the disk (holes, size of folders), which a copy cannot promise to keep.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from graped.errors import BadImage
from graped.netboot.images.attributes import read_xattrs
from graped.netboot.images.content import content_digest, open_regular
from graped.netboot.images.walk import Entry, walk
from graped.work import Work

HEADER: Final = "Made by Grape: the files of one image version, format 1"  # another format is another digest


class Kind(StrEnum):
    """What an entry is; ``hard`` is a further name of a file that came before."""

    FOLDER = "dir"
    FILE = "file"
    LINK = "link"
    HARD = "hard"
    CHAR = "char"
    BLOCK = "block"
    FIFO = "fifo"
    SOCKET = "socket"


_KINDS: Final = {
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One line. A ``hard`` one says nothing but where its file came first (``target``)."""

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[str, str], ...] = ()  # name, value in hex
    size: int = 0
    content: str = ""
    target: str = ""
    device: tuple[int, int] = (0, 0)

    def line(self) -> str:
        """Write it down: one JSON array, ASCII, without blanks."""
        detail: list[object]
        match self.kind:
            case Kind.HARD:
                return json.dumps([self.path, self.kind, self.target], separators=(",", ":"))
            case Kind.FILE:
                detail = [self.size, self.content]
            case Kind.LINK:
                detail = [self.target]
            case Kind.CHAR | Kind.BLOCK:
                detail = list(self.device)
            case _:
                detail = []
        common = [self.path, self.kind, self.mode, self.uid, self.gid, self.xattrs]
        return json.dumps([*common, *detail], separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A tree in figures. ``size_bytes`` is what it takes on the disk."""

    digest: str
    files: int
    size_bytes: int


class Names:
    """Which entries are one file: the first name of each is remembered."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], str] = {}

    def first(self, entry: Entry) -> str | None:
        """The path under which this file came before; None where this is the first."""
        status = entry.status
        if status.st_nlink < 2 or stat.S_ISDIR(status.st_mode):
            return None
        known = self._first.setdefault((status.st_dev, status.st_ino), entry.path)
        return None if known == entry.path else known


def describe(entry: Entry, names: Names) -> Node:
    """Say all of an entry but its content."""
    status = entry.status
    first = names.first(entry)
    if first is not None:
        return Node(path=entry.path, kind=Kind.HARD, target=first)
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    link = kind is Kind.LINK
    device = kind in (Kind.CHAR, Kind.BLOCK)
    return Node(
        path=entry.path,
        kind=kind,
        mode=0 if link else stat.S_IMODE(status.st_mode),  # the mode of a link means nothing
        uid=status.st_uid,
        gid=status.st_gid,
        xattrs=tuple((name, value.hex()) for name, value in read_xattrs(entry.handle).items()),
        size=status.st_size if kind is Kind.FILE else 0,
        target=_target(entry) if link else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if device else (0, 0),
    )


def with_content(node: Node, entry: Entry, work: Work) -> Node:
    """Add the digest of a file's content. Raises: BadImage where it is not what it was any more."""
    if node.kind is Kind.LINK and not node.target:
        raise _changed(entry)
    if node.kind is not Kind.FILE:
        return node
    descriptor = open_regular(entry.folder, entry.name)
    if descriptor is None:
        raise _changed(entry)
    try:
        content = content_digest(descriptor, node.size, work)
    finally:
        os.close(descriptor)
    return replace(node, content=content)


def _target(entry: Entry) -> str:
    """Where a link points; "", which no link can, where it is gone or no link any more."""
    try:
        return os.readlink(entry.name, dir_fd=entry.folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return ""
        raise


def _changed(entry: Entry) -> BadImage:
    return BadImage(f"{entry.path} changed while it was read", hint="Nobody may write into it meanwhile.")


def nodes(root: Path, work: Work) -> Iterator[Node]:
    """Describe a whole tree, contents and all, in canonical order."""
    names = Names()
    for entry in walk(root):
        yield with_content(describe(entry, names), entry, work)


def write_manifest(root: Path, target: Path, work: Work) -> Sum:
    """Describe a tree into ``target``, which is new and ends up on the disk; the digest is that of the file."""
    total = hashlib.sha256()
    files = size_bytes = 0
    names = Names()
    with target.open("xb") as stream:
        _put(stream, total, HEADER)
        for entry in walk(root):
            node = with_content(describe(entry, names), entry, work)
            _put(stream, total, node.line())
            files += 1
            size_bytes += 0 if node.kind is Kind.HARD else entry.status.st_blocks * 512
        stream.flush()
        os.fsync(stream.fileno())
    return Sum(digest=total.hexdigest(), files=files, size_bytes=size_bytes)


def tree_digest(root: Path, work: Work) -> str:
    """The digest of a tree, without writing anything down."""
    total = hashlib.sha256(f"{HEADER}\n".encode())
    for node in nodes(root, work):
        total.update(f"{node.line()}\n".encode())
    return total.hexdigest()


def read_manifest(source: Path) -> Iterator[Node]:
    """Read back what :func:`write_manifest` wrote. Raises: BadImage."""
    with source.open(encoding="ascii", errors="strict") as stream:
        try:
            if next(stream, "").rstrip("\n") != HEADER:
                raise ValueError("its first line is another")
            for line in stream:
                yield parse(line)
        except (ValueError, TypeError, IndexError) as error:
            raise BadImage(f"{source} is damaged: {error}", hint="Import the image again.") from error


def check_manifest(source: Path, digest: str) -> None:
    """Refuse a manifest that is not the one of a digest. Raises: BadImage."""
    try:
        with source.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        found = ""
    if found != digest:
        how = "was changed" if found else "is missing"
        raise BadImage(f"{source} {how}", hint="Remove this version of the image, then import it again.")


def parse(line: str) -> Node:
    """Read one line. Raises: ValueError, TypeError, IndexError."""
    path, word, *rest = json.loads(line)
    kind = Kind(word)
    if kind is Kind.HARD:
        return Node(path=path, kind=kind, target=rest[0])
    mode, uid, gid, xattrs, *detail = rest
    return Node(
        path=path,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        xattrs=tuple((name, value) for name, value in xattrs),
        size=detail[0] if kind is Kind.FILE else 0,
        content=detail[1] if kind is Kind.FILE else "",
        target=detail[0] if kind is Kind.LINK else "",
        device=(detail[0], detail[1]) if kind in (Kind.CHAR, Kind.BLOCK) else (0, 0),
    )


def _put(stream: BinaryIO, total: hashlib._Hash, line: str) -> None:
    data = f"{line}\n".encode()
    stream.write(data)
    total.update(data)
