"""Copy a tree with all that belongs to it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import BadImage, ServerError
from graped.netboot.images.attributes import dress, read_xattrs
from graped.netboot.images.content import CHUNK_BYTES, data_ranges, open_regular, write_at
from graped.netboot.images.digest import Names
from graped.netboot.images.space import Space, disk_errors
from graped.netboot.images.walk import FOLDER_FLAGS, Entry, walk
from graped.work import Work

FICLONE: Final = 0x40049409  # ioctl_ficlone(2)
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT_SHARE: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much a tree is. ``size_bytes``: the data of its files, holes not counted."""

    entries: int
    size_bytes: int


def measure(root: Path, work: Work) -> Amount:
    """Count a tree. Progress: entries of the phase "count"."""
    work.phase("count", unit="files")
    names = Names()
    entries = size_bytes = 0
    for entry in walk(root):
        entries += 1
        if stat.S_ISREG(entry.status.st_mode) and names.first(entry) is None:
            size_bytes += min(entry.status.st_size, entry.status.st_blocks * 512)
        work.advance(1)
    return Amount(entries=entries, size_bytes=size_bytes)


def copy_tree(source: Path, target: Path, work: Work, *, reflink: bool = False) -> None:
    """Copy ``source`` to ``target``, which is not there yet or an empty folder.

    Kept: owners, modes, times, extended attributes (user.*, security.*, trusted.*, ACLs; not trusted.overlay.*), hard
    links, holes, device nodes, links. ``source`` may be in use: no link in it is followed. Another file system mounted
    in it stays an empty folder. With ``reflink`` contents are shared, not copied.
    Progress: bytes of the phase "copy". Raises: NoSpace, BadImage, Cancelled, ServerError where nothing can be shared.
    What was copied when it fails is for the caller to remove.
    """
    amount = measure(source, work)
    target.mkdir(exist_ok=True)
    space = Space(target)
    if not reflink:
        space.need(amount.size_bytes, "the copy")
    work.phase("copy", amount.size_bytes)
    copier = _Copier(target, work, space, reflink)
    try:
        with disk_errors(f"copying to {target}"):
            for entry in walk(source, leaving=True):
                copier.take(entry)
    finally:
        copier.close()


class _Copier:
    """Takes the entries of a walk, one after the other, and makes the same below ``target``."""

    def __init__(self, target: Path, work: Work, space: Space, reflink: bool) -> None:
        self._work = work
        self._space = space
        self._reflink = reflink
        self._names = Names()
        self._root = os.open(target, FOLDER_FLAGS)
        self._open: list[int] = [self._root]  # the folders from the root to where we are

    def take(self, entry: Entry) -> None:
        """Make one entry; a folder gets its attributes when its content is done."""
        if stat.S_ISDIR(entry.status.st_mode):
            self._leave(entry) if entry.leaving else self._enter(entry)
            return
        first = self._names.first(entry)
        folder = self._open[-1]
        if first is not None:
            # The path has no link in it: it was walked, and we made it.
            os.link(first, entry.name, src_dir_fd=self._root, dst_dir_fd=folder, follow_symlinks=False)
        elif stat.S_ISREG(entry.status.st_mode):
            self._file(entry, folder)
        elif stat.S_ISLNK(entry.status.st_mode):
            os.symlink(os.readlink(entry.name, dir_fd=entry.folder), entry.name, dir_fd=folder)
            _dress(entry, folder, None)
        else:
            os.mknod(entry.name, entry.status.st_mode, entry.status.st_rdev, dir_fd=folder)
            _dress(entry, folder, None)
        self._work.check()

    def close(self) -> None:
        """Let go of all folders."""
        for descriptor in self._open:
            os.close(descriptor)

    def _enter(self, entry: Entry) -> None:
        if entry.path == "":
            return  # the target itself
        os.mkdir(entry.name, 0o700, dir_fd=self._open[-1])
        self._open.append(os.open(entry.name, FOLDER_FLAGS, dir_fd=self._open[-1]))

    def _leave(self, entry: Entry) -> None:
        _dress(entry, self._open[-1], self._open[-1])
        if entry.path:
            os.close(self._open.pop())

    def _file(self, entry: Entry, folder: int) -> None:
        source = open_regular(entry.folder, entry.name)
        if source is None:
            raise BadImage(f"{entry.path} changed while it was copied", hint="Nobody may write into it meanwhile.")
        try:
            target = os.open(entry.name, NEW_FILE, 0o600, dir_fd=folder)
            try:
                self._content(source, target, entry)
                _dress(entry, folder, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _content(self, source: int, target: int, entry: Entry) -> None:
        size = os.fstat(source).st_size
        if self._reflink and size:
            _share(source, target, entry.path)
            self._work.advance(min(size, entry.status.st_blocks * 512))
            return
        for offset, length in data_ranges(source, size):
            self._range(source, target, offset, length)
        os.ftruncate(target, size)

    def _range(self, source: int, target: int, offset: int, length: int) -> None:
        end = offset + length
        while offset < end:
            chunk = os.pread(source, min(CHUNK_BYTES, end - offset), offset)
            if not chunk:
                return  # it has shrunk
            write_at(target, chunk, offset)
            self._space.used(len(chunk), "the copy")
            self._work.advance(len(chunk))
            offset += len(chunk)


def _dress(entry: Entry, folder: int, descriptor: int | None) -> None:
    status = entry.status
    own = descriptor is not None and stat.S_ISDIR(status.st_mode)
    dress(
        f"/proc/self/fd/{folder}/." if own else f"/proc/self/fd/{folder}/{entry.name}",
        descriptor=descriptor,
        uid=status.st_uid,
        gid=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        xattrs=read_xattrs(entry.handle),
        times_ns=(status.st_atime_ns, status.st_mtime_ns),
        path=entry.path,
    )


def _share(source: int, target: int, path: str) -> None:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT_SHARE:
            raise
        raise ServerError(
            f"{path} cannot be shared with its copy: {error.strerror}", hint="Use the strategy copy or overlay."
        ) from error
