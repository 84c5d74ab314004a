"""Unpack a tar archive while it streams in, as root and from strangers: no name leads out of the tree."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Self, cast

from graped.errors import BadImage
from graped.netboot.images.attributes import dress
from graped.netboot.images.content import CHUNK_BYTES, write_at
from graped.netboot.images.copy import NEW_FILE
from graped.netboot.images.into import Into, split
from graped.netboot.images.source import Source, truncated
from graped.netboot.images.space import Space, disk_errors
from graped.work import Work

HEADER_MAX_BYTES: Final = 1_048_576  # of long names and attributes: they are read into memory
XATTR: Final = "SCHILY.xattr."  # star(5); GNU tar, libarchive and Docker write these
LONG_HEADERS: Final = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
WHAT: Final = "the tar archive"


class _Member(tarfile.TarInfo):
    """A header that is judged strictly: ``tarfile`` takes a damaged one for the end of the archive."""

    def _proc_member(self, archive: tarfile.TarFile) -> Self:
        """Judge each header before what it announces is read: made to be overridden, as ``tarfile`` says.

        Not ``frombuf``: Python 3.11.2 of Debian 12 reads headers past a subclass's own since a fix of 2026.
        """
        if self.type in LONG_HEADERS and self.size > HEADER_MAX_BYTES:
            raise BadImage(f"a header of the tar archive claims {self.size} bytes")
        return cast("Self", super()._proc_member(archive))  # type: ignore[misc]

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the two blocks of zeros
            raise
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise truncated(WHAT) from error
        except tarfile.HeaderError as error:
            raise _damaged(error) from error


def looks_like_tar(head: bytes) -> bool:
    """Whether a stream begins with a tar header, by its check sum."""
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def unpack_tar(source: Source, root: Path, space: Space, work: Work) -> None:
    """Fill ``root`` from a tar archive. Raises: BadImage, NoSpace, Cancelled.

    Kept: owners (by number), modes, times, extended attributes, hard links, holes, device nodes. A name that is
    absolute, has ``..`` in it, or leads through a link out of the tree is refused, and everything with it.
    """
    with Into(root) as into, disk_errors("unpacking the tar archive"), _tar_errors():
        unpacker = _Unpacker(into, space)
        with tarfile.open(fileobj=source, mode="r|", tarinfo=_Member) as archive:  # type: ignore[call-overload]
            while (member := archive.next()) is not None:
                unpacker.take(archive, member)
                archive.members = []  # else they all stay in memory
                work.check()
        unpacker.finish()
    source.drain(WHAT)


@contextmanager
def _tar_errors() -> Iterator[None]:
    """Say in our words what ``tarfile`` and numbers beyond the kernel's make of a bad archive. Raises: BadImage."""
    try:
        yield
    except tarfile.ReadError as error:
        raise truncated(WHAT) from error
    except (tarfile.TarError, UnicodeError, ValueError, OverflowError) as error:
        raise _damaged(error) from error


class _Unpacker:
    """Makes one member after the other."""

    def __init__(self, into: Into, space: Space) -> None:
        self._into = into
        self._space = space
        self._folders: dict[tuple[str, ...], tarfile.TarInfo] = {}

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Make what a member says; folders get their attributes at the end."""
        above, name = split(member.name)
        path = (*above, name) if name else ()
        self._folders.pop(path, None)
        if member.isdir():
            self._folders[path] = member
        elif not name:
            raise BadImage(f"{member.name!r} in the tar archive is no folder")
        if not name:
            return
        with self._into.folder(above) as folder:
            if member.isdir():
                self._into.make_folder(folder, name)
            elif member.islnk():
                self._into.link(member.linkname, folder, name)
            else:
                self._into.make_room(folder, name)
                self._make(archive, member, folder, name)

    def finish(self) -> None:
        """Give folders their attributes, the deepest first: what is made in one changes its time."""
        for path, member in sorted(self._folders.items(), key=lambda item: len(item[0]), reverse=True):
            with self._into.folder(path) as folder:
                _dress(member, f"/proc/self/fd/{folder}/.", folder)

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
        handle = f"/proc/self/fd/{folder}/{name}"
        if member.isreg():
            self._file(archive, member, folder, name)
            return
        if member.issym():
            if not member.linkname:
                raise BadImage(f"{member.name!r} in the tar archive is a link to nothing")
            os.symlink(member.linkname, name, dir_fd=folder)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=folder)
        elif member.isdev():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            os.mknod(name, kind | 0o600, os.makedev(member.devmajor, member.devminor), dir_fd=folder)
        else:
            raise BadImage(f"{member.name!r} in the tar archive is of a kind that is not known: {member.type!r}")
        _dress(member, handle, None)

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
        sparse = cast("list[tuple[int, int]] | None", member.sparse)  # typeshed calls it bytes
        ranges = [(0, member.size)] if sparse is None else sparse
        self._space.need(sum(length for _, length in ranges), f"{member.name!r} in the tar archive")
        buffered = archive.extractfile(member)
        assert isinstance(buffered, io.BufferedReader)
        content = buffered.raw  # the buffer cannot pass over a hole where the archive is a stream
        target = os.open(name, NEW_FILE, 0o600, dir_fd=folder)
        try:
            for offset, length in ranges:
                content.seek(offset)
                end = offset + length
                while offset < end:
                    chunk = content.read(min(CHUNK_BYTES, end - offset))
                    if not chunk:
                        raise truncated(WHAT)
                    write_at(target, chunk, offset)
                    self._space.used(len(chunk), WHAT)
                    offset += len(chunk)
            os.ftruncate(target, member.size)
            _dress(member, f"/proc/self/fd/{folder}/{name}", target)
        finally:
            os.close(target)


def _dress(member: tarfile.TarInfo, handle: str, descriptor: int | None) -> None:
    time_ns = _time_ns(member)
    dress(
        handle,
        descriptor=descriptor,
        uid=member.uid,
        gid=member.gid,
        mode=member.mode & 0o7777,
        xattrs={
            key.removeprefix(XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith(XATTR)
        },
        times_ns=(time_ns, time_ns),
        path=member.name,
    )


def _time_ns(member: tarfile.TarInfo) -> int:
    """When a member was changed; to the nanosecond where the archive says so."""
    try:
        exact = Decimal(member.pax_headers["mtime"]) if "mtime" in member.pax_headers else Decimal(member.mtime)
        return int(exact.scaleb(9).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise BadImage(f"{member.name!r} in the tar archive has no sensible time") from error


def _damaged(error: Exception) -> BadImage:
    return BadImage(f"the tar archive is damaged: {error}", hint="Fetch it again, and compare its check sum.")
