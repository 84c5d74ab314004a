"""Nodes with SD cards of their own, in memory: each shows a host key, and lets in who knows the password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graped.api import types
from graped.core.chore import Chore, ChoreKind
from graped.core.state import State
from graped.errors import HostKeyChanged, SshDenied
from graped.model import SlotId
from graped.provision.chores import Chores
from graped.work import Work

PASSWORD = "raspberry"


def fingerprint(letter: str) -> str:
    """Make one up."""
    return f"SHA256:{letter * 43}"


@dataclass
class Trusting:
    """``shows`` are the fingerprints of the keys that nodes show now; the others are silent."""

    shows: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)  # they let the cluster's key in
    passwords: list[str | None] = field(default_factory=list)  # what was tried

    async def look(self, state: State, slots: Sequence[SlotId]) -> Sequence[types.HostKey]:
        return tuple(self._host_key(state.config.node_name(slot)) for slot in slots)

    def trust(
        self, state: State, chores: Chores, wanted: Mapping[SlotId, str], *, user: str, password: str | None, by: str
    ) -> Chore:
        def each(slot: SlotId, work: Work) -> str:
            name = state.config.node_name(slot)
            self.passwords.append(password)
            if self.shows.get(name) != wanted[slot]:
                raise HostKeyChanged(f"{name} shows another key now")
            if name not in self.open and password != PASSWORD:
                raise SshDenied(f"{name} does not let {user} in")
            self.open.add(name)
            self.pins[name] = wanted[slot]
            return wanted[slot]

        return chores.start_each(ChoreKind.NODE_TRUST, f"{len(wanted)} nodes", each, tuple(wanted), by=by)

    def _host_key(self, name: str) -> types.HostKey:
        shown, pinned = self.shows.get(name), self.pins.get(name, "")
        if shown is None:
            return types.HostKey(name=name, address="10.77.0.10", state="silent", pinned=pinned, why="no answer")
        return types.HostKey(
            name=name,
            address="10.77.0.10",
            state="new" if not pinned else "same" if shown == pinned else "changed",
            fingerprint=shown,
            pinned=pinned,
            lets_us_in=name in self.open,
        )
