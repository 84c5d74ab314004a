"""Our lifecycle guard in graped: before the power of a node of the swarm goes, we are asked.

The lease is renewed by the loop itself: a loop that hangs does not hold anybody's power for longer than that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final

from grape_docker.model import Hold
from graped.api.client import Client
from graped.errors import Conflict, NotFound

log = logging.getLogger("grape_docker")

NAME: Final = "grape_docker"
LEASE_S: Final = 15.0  # for so long a node that loses its power waits for a grape_docker that was killed
RENEW_S: Final = 5.0


class Guard:
    """What we hold, as graped says, and since when we look after whom. For one thread."""

    def __init__(self, client: Client, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._names: frozenset[str] = frozenset()
        self._renewed: float | None = None
        self._told: dict[tuple[str, int], str] = {}
        self._verbs: dict[int, str] = {}
        self.holds: tuple[Hold, ...] = ()

    def due(self, names: Collection[str]) -> bool:
        """Whether the lease has to be renewed now, or is about other nodes."""
        return self._renewed is None or self._monotonic() >= self.next_at or frozenset(names) != self._names

    @property
    def next_at(self) -> float:
        """When the lease has to be renewed (monotonic s)."""
        return 0.0 if self._renewed is None else self._renewed + RENEW_S

    def renew(self, names: Collection[str]) -> bool:
        """Register, or renew, for these nodes and those that we hold; return whether what we hold has changed.

        Raises: what the client raises.
        """
        wanted = frozenset(names) | {hold.name for hold in self.holds}
        begun = self._monotonic()
        answer = self._client.post("/v1/guards", {"name": NAME, "nodes": sorted(wanted), "lease_s": LEASE_S})
        self._renewed, self._names = begun, frozenset(names)
        before, self.holds = self.holds, tuple(self._hold(one) for one in answer["holding"])
        keys = {(hold.name, hold.job) for hold in self.holds}
        self._told = {key: note for key, note in self._told.items() if key in keys}
        return before != self.holds

    def stale(self) -> None:
        """Have the next turn register again: graped was restarted, or asked us for a node."""
        self._renewed = None

    def tell(self, hold: Hold, note: str) -> None:
        """Say what we are doing for a node; only what is new is sent."""
        if self._told.get((hold.name, hold.job)) != note:
            self._say("tell", hold, note)
            self._told[hold.name, hold.job] = note

    def release(self, hold: Hold, note: str) -> None:
        """Let a node go: its power may be cut."""
        self.holds = tuple(one for one in self.holds if one != hold)
        log.info("%s: may lose its power: %s", hold.name, note)
        self._say("release", hold, note)

    def remove(self) -> None:
        """Look after nobody any more: what we hold goes on at once. Raises: what the client raises."""
        if self._renewed is not None:
            self._client.delete(f"/v1/guards/{NAME}")
            self._renewed, self.holds = None, ()

    def _say(self, what: str, hold: Hold, note: str) -> None:
        try:
            self._client.post(f"/v1/guards/{NAME}/{what}", {"node": hold.name, "job": hold.job, "note": note})
        except (NotFound, Conflict) as error:  # called off, overdue, or graped was restarted
            log.info("%s: job %d does not wait for us any more: %s", hold.name, hold.job, error)
            self.stale()

    def _hold(self, told: dict[str, Any]) -> Hold:
        return _hold(self._client, told, self._verbs)


def holds(client: Client) -> tuple[Hold, ...]:
    """Read what our guard holds, whoever registered it. Raises: what the client raises."""
    verbs: dict[int, str] = {}
    guards = [one for one in client.get("/v1/guards") if one["name"] == NAME]
    return tuple(_hold(client, told, verbs) for one in guards for told in one["holding"])


def _hold(client: Client, told: dict[str, Any], verbs: dict[int, str]) -> Hold:
    """Read one hold. ``verbs`` are those of jobs that are known already."""
    job = int(told["job"])
    if job not in verbs:
        verbs[job] = str(client.get(f"/v1/jobs/{job}")["verb"])
    since, deadline = (datetime.fromisoformat(told[key]).timestamp() for key in ("since", "deadline"))
    return Hold(name=str(told["node"]), job=job, verb=verbs[job], since=since, deadline=deadline)
