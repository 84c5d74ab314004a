"""What several commands need: the rack and the swarm as they are now, and what the daemon keeps."""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grape_docker import guard, keeping, rack
from grape_docker.cli.session import Session
from grape_docker.core.entries import Entries, sort
from grape_docker.keeping import LOCK
from grape_docker.model import Known, Rack, Settings, Swarm
from grape_docker.swarm.errors import NotManager
from grape_docker.swarm.founding import judged

NO_SWARM: Final = Swarm(id="", self_id="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """All that is known at one moment; ``swarm.id`` is "" where there is none.

    ``status`` is what the daemon wrote last, {} where it never did or does not run.
    """

    settings: Settings
    rack: Rack
    swarm: Swarm
    known: Known
    status: dict[str, Any]
    runs: bool
    at: float

    @property
    def entries(self) -> dict[str, Entries]:
        """The entries of each node."""
        return sort(self.rack, self.swarm, dict(self.known))[0]


def look(session: Session) -> Now:
    """Look at everything; nothing is changed. Raises: what graped and Docker raise."""
    runs = daemon_runs(session.room)
    return Now(
        settings=session.settings,
        rack=rack.snapshot(session.client(), guard.holds(session.client())),
        swarm=swarm(session),
        known=keeping.load_known(session.room),
        status=keeping.load_status(session.room) if runs else {},
        runs=runs,
        at=time.time(),
    )


def swarm(session: Session) -> Swarm:
    """Read the swarm; NO_SWARM where the master is in none. Raises: what Docker raises, ForeignSwarm, SwarmLocked."""
    try:
        return session.manager.swarm()
    except NotManager:
        info = session.manager.engine.call("reading the state of the swarm", lambda client: client.info())
        if judged(info["Swarm"]):
            raise
        return NO_SWARM


def daemon_runs(room: Path) -> bool:
    """Whether a daemon holds this state folder. A folder that we may not look into tells nothing: no."""
    try:
        descriptor = os.open(room / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
