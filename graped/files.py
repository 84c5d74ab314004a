"""Files that Grape owns: written whole or not at all, and folders removed without following what is in them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o644, sync: bool = True) -> bool:
    """Put ``content`` into ``path`` by a temporary file, fsync and rename; return whether anything changed.

    A reader sees the old file or the new one, also after a power cut. A file that has this content and mode already
    is left alone, so that nobody who watches it is woken. The temporary file begins with a dot, which dnsmasq and
    ``exports.d`` pass over. Without ``sync`` it is the caller who syncs, before anything relies on it.
    """
    data = content.encode() if isinstance(content, str) else content
    if _is(path, data, mode):
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)
    return True


def sync_folder(path: Path) -> None:
    """Have what was renamed, made or removed in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a file or folder with everything in it; links are removed, not followed; what is gone is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    elif path.exists():
        shutil.rmtree(path)


def _is(path: Path, data: bytes, mode: int) -> bool:
    try:
        status = path.lstat()
        same_kind = status.st_mode == (0o100000 | mode)  # a regular file with exactly these bits
        return same_kind and status.st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
