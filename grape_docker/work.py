"""Work on nodes: each in a thread of its own, one piece a node at a time, so that no node waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from grape_docker.inbox import Inbox, WorkDone
from grape_docker.model import Trouble

log = logging.getLogger("grape_docker.work")

Work = Callable[[], WorkDone]


class Workshop:
    """Start work and know who is busy. Used by the loop alone; the work itself tells its end through the inbox."""

    def __init__(self, inbox: Inbox, wall: Callable[[], float] = time.time) -> None:
        self._inbox = inbox
        self._wall = wall
        self._threads: dict[str, threading.Thread] = {}

    @property
    def busy(self) -> frozenset[str]:
        """The names that are worked on: from ``start`` until the loop took their ``WorkDone``."""
        return frozenset(self._threads)

    def start(self, name: str, work: Work) -> bool:
        """Start work on a node; False where something is being done to it already."""
        if name in self._threads:
            return False
        # A daemon thread: a node that never answers must not keep the process from ending.
        thread = threading.Thread(target=self._run, args=(name, work), name=f"work-{name}", daemon=True)
        self._threads[name] = thread
        thread.start()
        return True

    def finished(self, name: str) -> None:
        """Note that the end of a node's work was taken from the inbox."""
        self._threads.pop(name, None)

    def settle(self, timeout_s: float) -> frozenset[str]:
        """Wait for all that is being done, at most so long; return who is still worked on."""
        end = time.monotonic() + timeout_s
        for thread in self._threads.values():
            thread.join(max(0.0, end - time.monotonic()))
        return frozenset(name for name, thread in self._threads.items() if thread.is_alive())

    def _run(self, name: str, work: Work) -> None:
        try:
            done = work()
        except Exception:
            log.exception("%s: a mistake of grape_docker", name)
            message = "grape_docker made a mistake: its log has the details"
            done = WorkDone(name=name, trouble=Trouble(name=name, code="internal", message=message, since=self._wall()))
        self._inbox.put(done)
