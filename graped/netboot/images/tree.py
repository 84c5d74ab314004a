"""Read and change files in a root that is not trusted: names are looked up inside it, nothing outside is touched."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from graped.errors import BadImage
from graped.netboot.images.content import open_regular
from graped.netboot.inside import folder_inside, resolve

LIMIT_BYTES: Final = 4_194_304  # far above any file that is edited
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A root file system. Names are as ``etc/fstab``; links on the way are followed as a program in it would.

    The last part of a name is followed when reading, never when something is written, linked or removed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes | None:
        """A regular file's content; None where there is none. Raises: BadImage for one that is absurdly large."""
        place = resolve(self.root, name)
        if place is None or place == self.root:
            return None
        try:
            with folder_inside(self.root, self._relative(place.parent)) as folder:
                descriptor = open_regular(folder, place.name)
        except OSError:
            return None
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise BadImage(f"{name} has more than {LIMIT_BYTES} bytes")
        return data

    def text(self, name: str) -> str | None:
        """As :meth:`read`, as text that is written back unchanged whatever its encoding was."""
        data = self.read(name)
        return None if data is None else data.decode(errors="surrogateescape")

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder, in order; () where there is none."""
        place = resolve(self.root, folder)
        return tuple(sorted(os.listdir(place))) if place is not None and place.is_dir() else ()

    def exists(self, name: str) -> bool:
        """Whether a program in the root would find something of this name."""
        return resolve(self.root, name) is not None

    def status(self, name: str) -> os.stat_result | None:
        """The entry itself, a link not followed; None where there is none."""
        try:
            with self._folder_of(name) as (folder, last):
                return os.stat(last, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None

    def target(self, name: str) -> str | None:
        """Where a link points; None where this is no link."""
        try:
            with self._folder_of(name) as (folder, last):
                return os.readlink(last, dir_fd=folder)
        except OSError:
            return None

    def has_capabilities(self, name: str) -> bool:
        """Whether a file has capabilities of its own (which NFSv3 does not carry)."""
        with self._folder_of(name) as (folder, last):
            try:
                os.getxattr(f"/proc/self/fd/{folder}/{last}", "security.capability", follow_symlinks=False)
            except OSError:
                return False
            return True

    def write(self, name: str, content: bytes, mode: int) -> None:
        """Put a file of root's in place of whatever has this name, by rename. Raises: BadImage."""
        temporary = f".grape-{secrets.token_hex(4)}"
        with self._made_folder_of(name) as (folder, last):
            descriptor = os.open(temporary, _NEW, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    os.fchmod(descriptor, mode)
                os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise

    def link(self, name: str, target: str) -> None:
        """Put a symbolic link in place of whatever has this name. Raises: BadImage."""
        temporary = f".grape-{secrets.token_hex(4)}"
        with self._made_folder_of(name) as (folder, last):
            os.symlink(target, temporary, dir_fd=folder)
            try:
                os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise

    def remove(self, name: str) -> None:
        """Remove a file or link; what is gone is fine. Raises: BadImage for a folder."""
        try:
            with self._folder_of(name) as (folder, last):
                os.unlink(last, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _in_the_way(name, error) from error

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder. Raises: BadImage."""
        try:
            with self._folder_of(name) as (folder, last):
                os.rmdir(last, dir_fd=folder)
        except OSError as error:
            raise _in_the_way(name, error) from error

    def chmod(self, name: str, mode: int) -> None:
        """Set a file's mode; a link is not followed. Raises: BadImage."""
        with self._folder_of(name) as (folder, last):
            descriptor = open_regular(folder, last)
            if descriptor is None:
                raise BadImage(f"{name} is no file")
            try:
                os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def make_folder(self, name: str, mode: int = 0o755) -> Path:
        """Make a folder and those above it, and say where it really is. Raises: BadImage."""
        place = resolve(self.root, name)
        if place is None:
            above, _, last = name.rpartition("/")
            parent = self.make_folder(above, mode)
            try:
                with folder_inside(self.root, self._relative(parent)) as folder:
                    os.mkdir(last, 0o700, dir_fd=folder)
                    os.chmod(last, mode, dir_fd=folder)
            except OSError as error:
                raise _in_the_way(name, error) from error
            return parent / last
        if not place.is_dir():
            raise _in_the_way(name, OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
        return place

    def is_folder(self, name: str) -> bool:
        """Whether this is a folder and no link to one."""
        status = self.status(name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    @contextmanager
    def _folder_of(self, name: str) -> Iterator[tuple[int, str]]:
        above, _, last = name.rpartition("/")
        place = resolve(self.root, above)
        if place is None or last in ("", ".", ".."):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        with folder_inside(self.root, self._relative(place)) as folder:
            yield folder, last

    @contextmanager
    def _made_folder_of(self, name: str) -> Iterator[tuple[int, str]]:
        above, _, _ = name.rpartition("/")
        self.make_folder(above)
        try:
            with self._folder_of(name) as found:
                yield found
        except IsADirectoryError as error:
            raise _in_the_way(name, error) from error

    def _relative(self, place: Path) -> str:
        return place.relative_to(self.root).as_posix()


def _in_the_way(name: str, error: OSError) -> BadImage:
    return BadImage(f"{name} in the image is not as it should be: {error.strerror}", hint="Look at it by hand.")
