"""How things stand, told: each trouble once in the log, and once when it is over; all of it in ``status.json``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from grape_docker import keeping
from grape_docker.model import Hold, Trouble, Waiting

log = logging.getLogger("grape_docker")


class Teller:
    """Log what is new, write what is so."""

    def __init__(self, room: Path, started: float) -> None:
        self._room = room
        self._started = started
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._written: Mapping[str, Any] = {}
        self._unwritable = ""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong now."""
        return tuple(self._troubles.values())

    def take(self, troubles: Iterable[Trouble], now: float) -> None:
        """Take all that is wrong now; log what is new or over. ``since`` stays that of the first time."""
        found: dict[tuple[str, str], Trouble] = {}
        for one in troubles:
            before = self._troubles.get((one.name, one.code))
            found[one.name, one.code] = replace(one, since=before.since if before else one.since)
            if before is None or before.message != one.message:
                hint = f" ({one.hint})" if one.hint else ""
                log.warning("%s: %s%s", one.name or "swarm", one.message, hint)
        for key, one in self._troubles.items():
            if key not in found:
                log.info("%s: over after %.0f s: %s", one.name or "swarm", max(0.0, now - one.since), one.message)
        self._troubles = found

    def write(
        self,
        *,
        swarm_id: str | None,
        working: Mapping[str, str],
        waiting: Iterable[Waiting],
        holds: Iterable[Hold],
        now: float,
    ) -> None:
        """Write ``status.json`` where anything has changed."""
        status = {
            "pid": os.getpid(),
            "started": self._started,
            "swarm_id": swarm_id,
            "working": dict(sorted(working.items())),
            "waiting": [asdict(one) for one in waiting],
            "holds": [asdict(one) for one in holds],
            "troubles": [asdict(one) for one in self.troubles],
        }
        if status == self._written:
            return
        try:
            keeping.save_status(self._room, {**status, "written": now})
            self._unwritable = ""
        except OSError as error:
            if str(error) != self._unwritable:
                log.warning("status is not written: %s", error)
            self._unwritable = str(error)
            return
        self._written = status
