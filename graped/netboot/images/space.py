"""Free space: asked before and while something is written, with a reserve that is never used up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from graped.errors import BadImage, NoSpace

RESERVE_MAX_BYTES: Final = 256_000_000  # for the nodes that write into their roots meanwhile
RESERVE_SHARE: Final = 20  # of a small disk: a twentieth
LOOK_BYTES: Final = 16_777_216  # so often is looked while writing
HINT: Final = "Make room (`grapecli image rm`), or put netboot.folder on a larger disk."
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_BROKEN: Final = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})
_ABSURD: Final = frozenset({errno.EFBIG, errno.ENAMETOOLONG, errno.EINVAL, errno.EOVERFLOW})


class Space:
    """The room that is left where ``folder`` is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._since_look = 0

    def free_bytes(self) -> int:
        """What may still be written."""
        disk = os.statvfs(self._folder)
        reserve = min(RESERVE_MAX_BYTES, disk.f_blocks * disk.f_frsize // RESERVE_SHARE)
        return max(0, disk.f_bavail * disk.f_frsize - reserve)

    def need(self, size_bytes: int, what: str) -> None:
        """Refuse early what cannot fit. Raises: NoSpace."""
        free = self.free_bytes()
        if size_bytes > free:
            raise NoSpace(f"{what} needs {megabytes(size_bytes)}, {megabytes(free)} are free", hint=HINT)

    def used(self, size_bytes: int, what: str) -> None:
        """Tell that so much was written; looked at every few megabytes. Raises: NoSpace."""
        self._since_look += size_bytes
        if self._since_look >= LOOK_BYTES:
            self._since_look = 0
            self.need(1, what)


def megabytes(size_bytes: int) -> str:
    """Say a size as people read it."""
    return f"{size_bytes / 1e6:,.1f} MB".replace(",", " ") if size_bytes < 1e10 else f"{size_bytes / 1e9:,.1f} GB"


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Say a full disk, what no disk can hold, and a damaged file system in our words. Raises: NoSpace, BadImage."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace(f"the disk is full: {what}", hint=HINT) from error
        if error.errno in _ABSURD:
            raise BadImage(f"{what}: {error.strerror}: {str(error.filename or '')[:200]}") from error
        if error.errno in _BROKEN:
            raise BadImage(
                f"{what}: {error.strerror}: a file system is damaged",
                hint="The image's own (check it with `e2fsck`), or the master's disk (see `dmesg`).",
            ) from error
        raise
