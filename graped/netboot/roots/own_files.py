"""Files inside a tree that somebody else wrote: no link in it leads out, whatever its owner puts there meanwhile."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from graped.errors import BadImage
from graped.netboot.images.content import open_regular
from graped.netboot.inside import folder_inside

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LIMIT_BYTES: Final = 1 << 20  # far above any file that is edited here


class Inside:
    """Reads and writes below one folder, component by component; names are relative, as ``etc/hosts``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str, *, limit_bytes: int = LIMIT_BYTES) -> bytes | None:
        """Return a regular file's content; None where there is none, or something else stands there.

        Raises BadImage where it is larger than ``limit_bytes``.
        """
        _parts(name)  # the check
        above, _, last = name.rpartition("/")
        try:
            with folder_inside(self._root, above) as folder:
                descriptor = open_regular(folder, last)
        except OSError:
            return None
        if descriptor is None:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise BadImage(f"{name} in {self._root} is larger than {limit_bytes} bytes")
        return data

    def write(self, name: str, data: bytes, *, mode: int = 0o644, folder_mode: int = 0o755) -> None:
        """Put a file of root's in place of whatever has this name, by rename; missing folders are made.

        Raises BadImage where a folder of the way is a link or no folder: it would lead elsewhere.
        """
        *way, last = _parts(name)
        temporary = f".grape-{secrets.token_hex(8)}"
        with self._way(name, way, folder_mode) as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    if os.geteuid() == 0:
                        os.fchown(descriptor, 0, 0)
                    os.fchmod(descriptor, mode)
                os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException as error:
                os.unlink(temporary, dir_fd=folder)
                if isinstance(error, IsADirectoryError):
                    raise BadImage(f"{name} in {self._root} is a folder, where a file is to be written") from error
                raise

    @contextmanager
    def _way(self, name: str, way: list[str], folder_mode: int) -> Iterator[int]:
        try:
            with self._made(way, folder_mode) as folder:
                yield folder
        except NotADirectoryError:  # what O_NOFOLLOW with O_DIRECTORY answers for a link
            raise BadImage(
                f"the way to {name} in {self._root} has a link or a file where a folder should be",
                hint="Reset the node, or prepare the image again.",
            ) from None

    @contextmanager
    def _made(self, way: list[str], mode: int) -> Iterator[int]:
        """Open a folder, made where it is missing, for as long as the caller is in the block."""
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in way:
                _make(part, folder, mode)
                folder, above = os.open(part, FOLDER, dir_fd=folder), folder
                os.close(above)
            yield folder
        finally:
            os.close(folder)


def _make(name: str, folder: int, mode: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=folder)
    except FileExistsError:
        return
    made = os.open(name, FOLDER, dir_fd=folder)
    try:
        os.fchmod(made, mode)  # whatever the umask is
    finally:
        os.close(made)


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ValueError(f"not a name inside a tree: {name!r}")
    return parts
