"""Extended attributes that belong to a file, and those that belong to the machine it is on."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Final

from graped.errors import BadImage

KEPT: Final = ("user.", "security.", "trusted.", "system.posix_acl_")
LEFT: Final = ("trusted.overlay.",)  # what an overlay notes for itself means nothing in another place


def is_kept(name: str) -> bool:
    """Whether an extended attribute goes with a file into a copy, and counts in a comparison."""
    return name.startswith(KEPT) and not name.startswith(LEFT)


def read_xattrs(handle: str) -> dict[str, bytes]:
    """Read those that count, by name; none where the file system has none. A link is not followed."""
    try:
        names = os.listxattr(handle, follow_symlinks=False)
        return {name: os.getxattr(handle, name, follow_symlinks=False) for name in sorted(names) if is_kept(name)}
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENODATA, errno.ENOENT):
            return {}
        raise


def write_xattrs(handle: str, xattrs: Mapping[str, bytes], path: str) -> None:
    """Set those that count; ``path`` names the file in an error. Raises: BadImage where they cannot be kept."""
    for name, value in xattrs.items():
        if not is_kept(name):
            continue
        try:
            os.setxattr(handle, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.E2BIG, errno.EINVAL, errno.ERANGE):
                raise BadImage(
                    f"the attribute {name} of {path} cannot be kept here: {error.strerror}",
                    hint="Put netboot.folder on ext4, xfs or btrfs.",
                ) from error
            raise


def dress(
    handle: str,
    *,
    descriptor: int | None,
    uid: int,
    gid: int,
    mode: int,
    xattrs: dict[str, bytes],
    times_ns: tuple[int, int],
    path: str,
) -> None:
    """Give a file its attributes, in the order in which one does not undo another.

    A change of owner drops set-user-id bits and file capabilities; a link has no mode. ``descriptor`` is the open file
    or folder; None for what cannot be opened.
    """
    link = descriptor is None and stat.S_ISLNK(os.lstat(handle).st_mode)
    os.chown(handle, uid, gid, follow_symlinks=False)
    write_xattrs(handle, xattrs, path)
    if not link:
        os.chmod(handle if descriptor is None else descriptor, mode)
    os.utime(handle, ns=times_ns, follow_symlinks=False)
