"""SSH in memory: keys on a dictionary; a node whose name ends in 4 lets nobody in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from graped.api import types
from graped.core.chore import Chore, ChoreKind
from graped.engine import Engine
from graped.errors import NotFound, SshDenied, SshFailed
from graped.model import SlotId
from graped.network.ssh_keys import fingerprint_of
from graped.provision.chores import Chores
from graped.work import Work
from tests.api.trusting import Trusting


class Access:
    """Implements ``backend.Access``."""

    def __init__(self, engine: Engine, chores: Chores | None = None) -> None:
        self.engine = engine
        self.keys: dict[str, types.ClientKey] = {}
        self._given = chores
        self.trusting = Trusting()

    @cached_property
    def chores(self) -> Chores:
        return self._given or Chores(self.engine)

    async def ssh(self, slot: SlotId, *, prove: bool = False) -> types.NodeSsh:
        name = self.engine.state.config.node_name(slot)
        if prove:
            raise SshFailed(f"{name}: it has no address", node=name)
        return types.NodeSsh(
            name=name, address=None, port=22, user="root", host_keys=(), fingerprint="", trusted=False,
            why="it has no address",
        )  # fmt: skip

    async def client_keys(self) -> Sequence[types.ClientKey]:
        return tuple(self.keys[name] for name in sorted(self.keys))

    async def set_client_key(self, name: str, public_key: str, *, by: str) -> types.ClientKey:
        key = types.ClientKey(name=name, public_key=public_key, fingerprint=fingerprint_of(public_key))
        self.keys[name] = key
        return key

    async def remove_client_key(self, name: str, *, by: str) -> types.ClientKey:
        if name not in self.keys:
            raise NotFound(f"there is no key of {name}")
        return self.keys.pop(name)

    async def install_client_key(self, name: str, slots: Sequence[SlotId], *, by: str) -> Chore:
        if name not in self.keys:
            raise NotFound(f"there is no key of {name}")

        def install(slot: SlotId, work: Work) -> str:
            if slot.slot == 4:
                raise SshDenied(f"{slot.default_name} lets nobody in")
            return "added"

        return self.chores.start_each(ChoreKind.NODE_KEYS, name, install, tuple(slots), by=by, at_once=8)

    async def look(self, slots: Sequence[SlotId], user: str) -> Sequence[types.HostKey]:
        return await self.trusting.look(self.engine.state, slots)

    def trust(self, wanted: Mapping[SlotId, str], *, user: str, password: str | None, by: str) -> Chore:
        return self.trusting.trust(self.engine.state, self.chores, wanted, user=user, password=password, by=by)
