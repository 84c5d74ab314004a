"""One at a time: apply and revert of one machine never run side by side."""

from __future__ import annotations

import fcntl
import os
from typing import Final

from graped.errors import GrapeError
from master_setup.machine import Machine

LOCK: Final = "/run/grape-setup.lock"


class AlreadyRunning(GrapeError):
    """Another apply or revert holds the lock."""

    code = "setup_running"
    title = "master_setup is running already"


def take(machine: Machine) -> int:
    """Take the lock and return its descriptor, which is held until it is closed. Raises AlreadyRunning.

    Programs that are run do not inherit it; what is exec'd in our place does, see ``finishing``.
    """
    path = machine.path(LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise GrapeError(f"{LOCK}: {error.strerror}", hint="Run it as root: sudo.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise AlreadyRunning(f"another apply or revert runs (process {holder})", hint="Wait for its end.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
