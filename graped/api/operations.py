"""What the routes need of the features in ``graped.operate``; a Protocol each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from graped.api.console_types import NodeLog
from graped.api.facts_types import NodeBrief, NodeFacts
from graped.core.chore import Chore
from graped.model import SlotId


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

    def log(self, slot: SlotId, *, after: int | None, limit: int) -> NodeLog: ...
    async def wait(self, slot: SlotId, after: int, timeout_s: float) -> None: ...


class Operations(Protocol):
    """One attribute a feature."""

    @property
    def facts(self) -> Facts: ...
    @property
    def identify(self) -> Identify: ...
    @property
    def console(self) -> Console: ...
