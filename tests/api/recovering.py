"""Settings of recovery in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graped.config.types import RecoveryMode
from graped.core.events import ConfigChanged, RecoveryReleased
from graped.engine import Engine
from graped.model import SlotId


class Recovering:
    """Implements ``operations.Recovering``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def quarantine(self, slots: Sequence[SlotId], reason: str, *, by: str) -> None:
        self._set(slots, quarantine=reason)

    def release(self, slots: Sequence[SlotId], *, by: str) -> None:
        self._set(slots, quarantine=None)
        self.engine.post(RecoveryReleased(slots=frozenset(slots)))

    def set_mode(self, slots: Sequence[SlotId], mode: str | None, *, by: str) -> None:
        self._set(slots, recovery=RecoveryMode(mode) if mode else None)

    def _set(self, slots: Sequence[SlotId], **changes: object) -> None:
        config = self.engine.state.config
        stacks = dict(config.cluster.stacks)
        for slot in slots:
            devices = dict(stacks[slot.stack].devices)
            devices[slot.slot] = replace(devices[slot.slot], **changes)  # type: ignore[arg-type]
            stacks[slot.stack] = replace(stacks[slot.stack], devices=devices)
        self.engine.post(ConfigChanged(config=replace(config, cluster=replace(config.cluster, stacks=stacks))))
