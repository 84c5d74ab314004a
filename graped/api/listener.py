"""The Unix socket itself: whose it is, and that only one daemon has it."""

from __future__ import annotations

import grp
import logging
import os
import socket
import stat
from pathlib import Path

from graped.errors import SocketInUse

log = logging.getLogger("graped.api")

SOCKET_MODE = 0o660
FOLDER_MODE = 0o750
BACKLOG = 1024


class Listener:
    """A bound socket that listens; its file is removed at the end only if it still is ours."""

    def __init__(self, path: Path, bound: socket.socket) -> None:
        self.path = path
        self.socket = bound
        self._identity = _identity(path)

    def close(self) -> None:
        """Stop listening, and remove our file."""
        self.socket.close()
        if self._identity is not None and _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)


def listen(path: Path, group: str) -> Listener:
    """Make the socket: folder if missing, a dead daemon's socket removed, mode 0660, the group if we may.

    Raises: SocketInUse (somebody answers on it, or it is a file of another kind), OSError.
    """
    gid = _gid(group)
    _make_folder(path.parent, gid)
    _clear(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~SOCKET_MODE)  # nobody may connect before the mode is right
    try:
        bound.bind(str(path))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    bound.setblocking(False)
    _give(path, gid, group)
    return Listener(path, bound)


def _make_folder(folder: Path, gid: int | None) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, mode=FOLDER_MODE)
    if os.geteuid() == 0 and gid is not None:
        os.chown(folder, 0, gid)


def _clear(path: Path) -> None:
    """Remove a socket that nobody answers on."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise SocketInUse(f"{path} is there and is no socket", hint="move it away, or set api.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:  # e.g. a full backlog: somebody listens
            log.warning("%s: %s", path, error)
    raise SocketInUse(
        f"a daemon answers on {path}", hint="stop it first (systemctl stop graped), or give another --socket"
    )


def _give(path: Path, gid: int | None, group: str) -> None:
    """Let the group in, where there is one and we may."""
    if gid is None:
        log.warning("there is no group %s: only the owner of %s may talk to graped", group, path)
        return
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        log.warning("may not give %s to group %s: only its owner may talk to graped", path, group)


def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino)
