"""Whether the disk takes what we record: one fault, retries at growing intervals, one log line each way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from graped.clock import Clock
from graped.errors import StoreError
from graped.model import Fault
from graped.store.database import Damaged

log = logging.getLogger(__name__)

RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0


class Health:
    """Turn failures and successes of the disk into a fault that is told once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trouble: Fault | None = None
        self._damage: Fault | None = None
        self._moved: Path | None = None
        self.on_fault: Callable[[Fault | None], None] | None = None  # told when the fault comes, changes and goes
        self._pause_s = 0.0
        self._retry_at = 0.0
        self._failures = 0

    @property
    def fault(self) -> Fault | None:
        """What is wrong: trouble now before damage in the past."""
        return self._trouble or self._damage

    @property
    def troubled(self) -> bool:
        """Whether nothing can be recorded."""
        return self._trouble is not None

    def wait_s(self) -> float:
        """How long until the disk should be asked again; 0: now."""
        return max(0.0, self._retry_at - self._clock.monotonic()) if self._trouble else 0.0

    def failed(self, error: StoreError) -> None:
        """Note a failure: nothing can be recorded, and the next try waits longer than the last one."""
        before, now = self.fault, self._clock.monotonic()
        self._failures += 1
        self._pause_s = min(max(RETRY_MIN_S, self._pause_s * 2), RETRY_MAX_S)
        self._retry_at = now + self._pause_s
        if self._trouble is None:
            log.error("the store cannot record: %s", error.detail)
        self._trouble = Fault(
            code=StoreError.code,
            message=f"jobs, events and meter history are not recorded: {error.detail}",
            since=self._trouble.since if self._trouble else now,
            hint=error.hint,
        )
        self._changed(before)

    def damaged(self, error: Damaged) -> None:
        """Note that the database was damaged; the fault goes when somebody took the damaged file away."""
        before = self.fault
        log.error("the store: %s", error.detail)
        self._moved = error.moved
        self._damage = Fault(code=StoreError.code, message=error.detail, since=self._clock.monotonic(), hint=error.hint)
        self._changed(before)

    def worked(self) -> None:
        """Note a success."""
        before, trouble = self.fault, self._trouble
        if trouble:
            seconds = self._clock.monotonic() - trouble.since
            log.warning("the store records again after %.0f s and %d failed tries", seconds, self._failures)
        self._trouble, self._pause_s, self._failures = None, 0.0, 0
        if self._damage and not (self._moved and self._moved.exists()):
            self._damage = None
        self._changed(before)

    def _changed(self, before: Fault | None) -> None:
        if self.on_fault and self.fault != before:
            self.on_fault(self.fault)
