"""What takes minutes to make is made once and kept: kernels and root file systems, named by what they depend on."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import remains

KEPT_S = 30 * 24 * 3600  # a version that nobody used for this long is removed
KEY_LENGTH = 12
# Words before a command that mounts and starts things: all of that ends with us, even by SIGKILL.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def folder() -> Path:
    """Where made things are kept."""
    named = os.environ.get("GRAPE_LAB_CACHE")
    path = Path(named) if named else Path.home() / ".cache/grape-lab"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(*parts: str | bytes) -> str:
    """Name a version by everything that it depends on."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:KEY_LENGTH]


def cached(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """Give the folder ``name-key``; ``make`` fills it where it is not there yet.

    Of two runs that ask at once one makes it and the other waits. A half-made folder is never given out.
    """
    ready = folder() / f"{name}-{key}"
    if not ready.is_dir():
        with _locked(name):
            _remove_all(folder().glob(f".partial-{name}-*"))
            if not ready.is_dir():
                partial = Path(tempfile.mkdtemp(prefix=f".partial-{name}-", dir=folder()))
                partial.chmod(0o755)
                make(partial)
                partial.rename(ready)
            _remove_all(path for path in folder().glob(f"{name}-*") if _old(path))
    os.utime(ready)
    return ready


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (folder() / f".lock-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > KEPT_S


def _remove_all(paths: Iterator[Path]) -> None:
    for path in list(paths):
        for point in remains.mounts(path):
            raise OSError(f"{point} is still mounted: something works in a folder that was given up")
        shutil.rmtree(path)
