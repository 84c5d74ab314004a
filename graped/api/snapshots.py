"""The big answers, written once and sent many times: the whole Status, all nodes, all stacks.

What cannot change without a new revision is never older than the snapshot. The times of readings and the ``stale``
marks, which change with every poll, may be up to ``MAX_AGE_S`` old.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from graped.api import types, views
from graped.api.answers import encoded
from graped.api.operations import Facts
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.core.state import State

MAX_AGE_S = 1.0


@dataclass(slots=True)
class _Kept:
    """Bytes, what they were made of, and when."""

    basis: tuple[object, ...]
    body: bytes
    at: float


class Snapshots:
    """Keep the last written form of the big answers."""

    def __init__(self, clock: Clock, facts: Facts, *, simulated: bool) -> None:
        self._clock = clock
        self._facts = facts
        self._simulated = simulated
        self._nodes: _Kept | None = None
        self._stacks: _Kept | None = None

    def status(self, state: State) -> bytes:
        """Write the whole cluster (types.Status)."""
        head = {
            "revision": state.revision,
            "cluster": state.config.cluster.name,
            "simulated": self._simulated,
            "time": rfc3339(self._clock.wall()),
        }
        parts = (
            json.dumps(head, ensure_ascii=False)[:-1].encode(),
            b',"stacks":', self.stacks(state),
            b',"nodes":', self.nodes(state),
            b',"faults":', encoded(tuple[types.Fault, ...], views.faults(state, self._clock)),
            b',"counters":', encoded(types.Counters, views.counters(state)),
            b"}",
        )  # fmt: skip
        return b"".join(parts)

    def nodes(self, state: State) -> bytes:
        """Write all nodes. Meters do not change them, so most snapshots share one form."""
        kept, now = self._nodes, self._clock.monotonic()
        faults = [stack.fault for stack in state.stacks.values()]
        basis = (state.config, state.slots, state.claims, faults, self._facts.version)
        if kept is None or now - kept.at >= MAX_AGE_S or not _same(kept.basis, basis):
            body = encoded(tuple[types.Node, ...], views.nodes(state, self._clock, state.slots, self._facts.brief))
            kept = self._nodes = _Kept(basis, body, now)
        return kept.body

    def stacks(self, state: State) -> bytes:
        """Write all stacks."""
        kept, now = self._stacks, self._clock.monotonic()
        basis = (state.config, state.revision)
        if kept is None or now - kept.at >= MAX_AGE_S or not _same(kept.basis, basis):
            body = encoded(tuple[types.Stack, ...], views.stacks(state, self._clock))
            kept = self._stacks = _Kept(basis, body, now)
        return kept.body


def _same(kept: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Compare the config by identity (it is big), the rest by value: unchanged slots are the same objects."""
    return kept[0] is now[0] and kept[1:] == now[1:]
