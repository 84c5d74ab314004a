"""What the routes need of the features in ``graped.operate``; a Protocol each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from graped.api.console_types import NodeLog
from graped.api.enrol_types import EnrolPlan, EnrolReport, PendingMac, Seated
from graped.api.facts_types import NodeBrief, NodeFacts
from graped.api.remote_types import JobResults
from graped.api.rollout_types import Rollout, RolloutPlan
from graped.core.chore import Chore
from graped.core.events import EvidenceSeen
from graped.core.rollout_types import Orders
from graped.model import SlotId


class Evidence(Protocol):
    """How far nodes answer now; takes some 5 s at most."""

    async def look(self, slots: Iterable[SlotId]) -> Mapping[SlotId, EvidenceSeen]: ...


class Facts(Protocol):
    """What nodes say of themselves. Reads never wait; ``version`` grows with every change."""

    @property
    def version(self) -> int: ...
    def of(self, slots: Iterable[SlotId]) -> Sequence[NodeFacts]: ...
    def brief(self, slot: SlotId) -> NodeBrief | None: ...  # None: not up, or not asked since
    def refresh(self, slots: Sequence[SlotId], *, by: str) -> Chore: ...


class Identify(Protocol):
    """Have nodes blink."""

    def start(self, slots: Sequence[SlotId], *, seconds: float, by: str) -> Chore: ...


class Console(Protocol):
    """What nodes say while they boot and run. ``after`` None: the last lines."""

    @property
    def why(self) -> str: ...  # why nothing can come, else ""
    def log(self, slot: SlotId, *, after: int | None, limit: int) -> NodeLog: ...
    async def wait(self, slot: SlotId, after: int, timeout_s: float) -> None: ...


class Rollouts(Protocol):
    """Nodes that go through something new, wave after wave. ``Orders.image`` is as people write it; "": a reboot."""

    async def plan(self, slots: Sequence[SlotId], orders: Orders) -> RolloutPlan: ...  # raises as begin
    async def begin(self, slots: Sequence[SlotId], orders: Orders, *, by: str) -> Chore:
        """Raises: NetbootOff, NotFound, Conflict (nothing to do, a node is in another one), SharedRelay, OverBudget."""
        ...

    async def resume(self, number: int, *, by: str) -> Chore: ...  # raises NotFound, Conflict
    async def all(self) -> Sequence[Rollout]: ...
    async def one(self, number: int) -> Rollout: ...  # raises NotFound


class Remote(Protocol):
    """Commands and files on nodes, over SSH."""

    def run(
        self, slots: tuple[SlotId, ...], command: str, *, stdin: bytes, timeout_s: float, fanout: int, by: str
    ) -> Chore:
        """Run a line of the login shell on nodes, ``fanout`` at a time; ``timeout_s`` bounds each node's whole."""
        ...

    async def copy(
        self,
        slots: tuple[SlotId, ...],
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size_bytes: int | None,
        mode: int,
        by: str,
    ) -> Chore:
        """Take a file whole, then put it on all nodes. Raises: TooLarge, NoSpace, Conflict; what ``chunks`` raises."""
        ...

    def results(self, job: int, after: int) -> JobResults:
        """Tell what the command of a job said on the nodes that ended behind a number, as far as that is kept."""
        ...


class Enrolling(Protocol):
    """Who sits in which slot, found out by power and listening."""

    async def plan(self, slots: Sequence[SlotId]) -> EnrolPlan: ...  # raises Conflict: nobody listens
    async def start(
        self,
        slots: Sequence[SlotId],
        *,
        consent: Collection[SlotId],
        dry_run: bool,
        moves: bool,
        timeout_s: float,
        by: str,
    ) -> Chore: ...  # raises Conflict
    def report(self, job: int) -> EnrolReport: ...  # raises NotFound
    async def accept(self, job: int, *, by: str) -> EnrolReport: ...  # raises NotFound, Conflict, ConfigError


class Pending(Protocol):
    """MAC addresses that no slot has. Raises: RequestError (no MAC address), NotFound, Conflict, ConfigError."""

    def list(self, *, all_of_them: bool = ...) -> Sequence[PendingMac]: ...
    async def approve(self, text: str, slot: SlotId, *, by: str) -> Seated: ...
    async def reject(self, text: str, *, by: str) -> PendingMac: ...
    async def seat(self, text: str, slot: SlotId, *, by: str) -> Seated: ...  # in place of what the slot has


class Recovering(Protocol):
    """What recovery is told about nodes. Raises: ConfigError, and then nothing has changed."""

    def quarantine(self, slots: Sequence[SlotId], reason: str, *, by: str) -> None: ...
    def release(self, slots: Sequence[SlotId], *, by: str) -> None: ...
    def set_mode(self, slots: Sequence[SlotId], mode: str | None, *, by: str) -> None: ...  # None: as the files say


class Operations(Protocol):
    """One attribute a feature."""

    @property
    def recovering(self) -> Recovering: ...

    @property
    def enrolling(self) -> Enrolling: ...
    @property
    def pending(self) -> Pending: ...
    @property
    def evidence(self) -> Evidence: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def identify(self) -> Identify: ...
    @property
    def console(self) -> Console: ...
    @property
    def rollouts(self) -> Rollouts: ...
    @property
    def remote(self) -> Remote: ...
