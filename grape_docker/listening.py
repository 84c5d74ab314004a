"""Two threads that listen: to graped's event log, and to Docker on the master. They connect again for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from grape_docker.inbox import Inbox, RackTold, SwarmTold
from grape_docker.swarm.manager import Manager
from graped.api.client import Client
from graped.errors import GrapeError

log = logging.getLogger("grape_docker")

BUG_S = 5.0
RETRY_S = 0.5  # a graped that restarts is away for a second or two


def start(inbox: Inbox, client: Callable[[], Client], manager: Manager, stop: threading.Event) -> None:
    """Start both. They are daemon threads: a read that nothing answers does not keep the process."""
    for name, work in (
        ("graped-events", lambda: follow_graped(inbox, client(), stop)),
        ("docker-events", lambda: follow_docker(inbox, manager, stop)),
    ):
        threading.Thread(target=_kept, args=(name, work, stop), name=name, daemon=True).start()


def _kept(name: str, work: Callable[[], None], stop: threading.Event) -> None:
    """Listen until the end; a mistake in it is logged, and it is begun again."""
    while not stop.is_set():
        try:
            work()
        except Exception:
            log.exception("%s: a mistake of grape_docker; it goes on in %g s", name, BUG_S)
            stop.wait(BUG_S)


def follow_graped(inbox: Inbox, client: Client, stop: threading.Event) -> None:
    """Tell every event of graped, none twice, none left out; ``connected`` when a look now misses nothing after it."""
    lost = False
    last: int | None = None
    while not stop.is_set():
        try:
            last = _start(client, last)
            inbox.put(RackTold(kind="connected"))
            lost = False
            for event in client.stream("/v1/events/stream", last, patience_s=0.0):
                last = int(event["id"])
                inbox.put(_told(event))
        except (GrapeError, OSError, ValueError) as error:
            if not lost:
                inbox.put(RackTold(kind="lost", message=str(error)))
            lost = True
        stop.wait(RETRY_S)


def _start(client: Client, last: int | None) -> int:
    """Choose the event to go on behind: the last one heard, unless this log is another (its ids are smaller)."""
    page = client.get("/v1/events", limit=1)
    newest = int(page[-1]["id"]) if page else 0
    return newest if last is None or newest < last else last


def _told(event: dict[str, Any]) -> RackTold:
    return RackTold(
        kind=str(event["kind"]),
        node=event.get("node"),
        message=str(event.get("message", "")),
        fields=event.get("fields") or {},
    )


def follow_docker(inbox: Inbox, manager: Manager, stop: threading.Event) -> None:
    """Tell that the swarm changed, and when Docker goes and comes back."""
    for event in manager.events(stop):
        inbox.put(SwarmTold(kind=event.kind, message=str(event.error) if event.error else ""))
