"""One at a time: apply and revert of one machine never run side by side."""

from __future__ import annotations

import fcntl
import os
from typing import Final

from graped.errors import GrapeError
from master_setup.machine import Machine

WAIT_S: Final = 600.0  # a purge of many packages on a slow card
LOOK_S: Final = 1.0
LOCK: Final = "/run/grape-setup.lock"


class AlreadyRunning(GrapeError):
    """Another apply or revert holds the lock."""

    code = "setup_running"
    title = "master_setup is running already"


def take(machine: Machine) -> int:
    """Take the lock and return its descriptor, which is held until it is closed. Raises AlreadyRunning.

    Programs that are run do not inherit it; what is exec'd in our place does, see ``finishing``, and what that runs.
    """
    path = machine.path(LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise GrapeError(f"{LOCK}: {error.strerror}", hint="Run it as root: sudo.") from None
    told = False
    for _ in range(round(WAIT_S / LOOK_S)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            if _lives(holder):
                os.close(descriptor)
                raise AlreadyRunning(
                    f"another apply or revert runs (process {holder})", hint="Wait for its end."
                ) from None
        if not told:
            machine.say("what a killed run has started is still at work: waiting for its end")
            told = True
        machine.pause(LOOK_S)
    else:
        os.close(descriptor)
        raise AlreadyRunning("what a killed run has started does not end", hint=f"See who has {LOCK} open.")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _lives(holder: str) -> bool:
    """Tell whether the process that took the lock is there; what it started may have the lock after it."""
    if not holder.isdigit():
        return True  # it has just taken it, and not written yet
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
