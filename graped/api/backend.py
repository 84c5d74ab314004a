"""What the routes need of the daemon. Tests pass a small rack in memory, the daemon passes the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from graped.api.types import ConfigReport, ConfigView, SimDisplay, SimFault
from graped.clock import Clock
from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.core.plan import Planned
from graped.core.state import State
from graped.model import MeterKind, SlotId, Verb
from graped.store.events import LoggedEvent
from graped.store.jobs import Stored


class Journal(Protocol):
    """The event log. A ``kind`` is a kind or a family (``power`` has ``power.changed``); None is all."""

    @property
    def last_id(self) -> int: ...
    async def after(self, after_id: int, limit: int = ..., kind: str | None = ...) -> list[LoggedEvent]: ...
    async def latest(self, limit: int = ..., before: int | None = ..., kind: str | None = ...) -> list[LoggedEvent]: ...
    def subscribe(self, after_id: int | None = ..., kind: str | None = ...) -> AsyncIterator[LoggedEvent]: ...


class Archive(Protocol):
    """Jobs of yesterday."""

    async def jobs(self, limit: int, before: int | None = None) -> list[Stored]: ...
    async def job(self, job_id: int) -> Stored | None: ...


class Point(Protocol):
    """One point of a meter's history; ``at`` is unix seconds."""

    @property
    def at(self) -> float: ...
    @property
    def mean(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def most(self) -> int: ...


class History(Protocol):
    """Old readings; times are unix seconds. Points come oldest first."""

    async def query(
        self, stack: int, kind: MeterKind, since: float, until: float, step_s: float
    ) -> Sequence[Point]: ...


class Simulator(Protocol):
    """The simulated rack, as far as people may play with it."""

    async def faults(self) -> Sequence[SimFault]: ...
    async def add(self, fault: SimFault) -> SimFault: ...
    async def clear(self, fault_id: int | None) -> None: ...  # None: all; raises NotFound
    async def display(self) -> SimDisplay: ...
    async def knob(self, turn: int, press: bool) -> None: ...


class Backend(Protocol):
    """The daemon behind the API. Reads never wait for hardware."""

    @property
    def state(self) -> State: ...  # the current snapshot
    @property
    def clock(self) -> Clock: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def history(self) -> History: ...
    @property
    def simulator(self) -> Simulator | None: ...
    @property
    def version(self) -> str: ...
    @property
    def started(self) -> float: ...  # monotonic s

    async def changed(self, revision: int, timeout_s: float) -> State:
        """Wait until the revision differs, at most so long; a job's change is a change."""
        ...

    async def ask_power(
        self,
        verb: Verb,
        slots: tuple[SlotId, ...],
        *,
        by: str,
        force: bool = False,
        off_s: float | None = None,
        request_id: str = "",
    ) -> Job: ...

    async def cancel(self, job_id: int, *, by: str) -> Job | Chore: ...

    def plan_power(
        self, verb: Verb, slots: tuple[SlotId, ...], *, force: bool = False, off_s: float | None = None
    ) -> tuple[Planned, ...]: ...

    def config_view(self) -> ConfigView: ...
    def check_config(self) -> ConfigReport: ...
    async def reload(self) -> ConfigReport: ...
