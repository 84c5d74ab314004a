"""Which boot stages the rack has told of, and when the next one is due."""

from __future__ import annotations

import math
from collections.abc import Iterable

from graped.hardware.sim.nodes import stage_of
from graped.hardware.sim.stacks import SimStack

_MISSING = object()


class Stages:
    """Remembers what was told, so that only changes are told."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, int], str | None] = {}

    def forget(self, stack: int) -> None:
        """A stack is gone."""
        self._told = {slot: stage for slot, stage in self._told.items() if slot[0] != stack}

    def changes(self, stacks: Iterable[SimStack]) -> tuple[list[tuple[int, int, str | None]], float]:
        """Give (stack, slot, stage) of what changed since the last call, and the seconds to the next change."""
        changed: list[tuple[int, int, str | None]] = []
        next_s = math.inf
        for stack in stacks:
            for slot in stack.on_since:
                now = stage_of(stack.node(slot), stack.on_for_s(slot))
                stage = None if now.stage is None else now.stage.value
                if self._told.get((stack.key, slot), _MISSING) != stage:
                    self._told[stack.key, slot] = stage
                    changed.append((stack.key, slot, stage))
                if now.lasts_s is not None:
                    next_s = min(next_s, now.lasts_s)
        return changed, next_s

    def told(self) -> dict[tuple[int, int], str | None]:
        """Give all that was told last."""
        return dict(self._told)
