"""Nodes that bring host keys of their own: what they show, and how they come to be trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from graped.api import types
from graped.api.folding import fold
from graped.core.chore import Chore, ChoreKind
from graped.errors import HostKeyChanged, NotFound, SshError, SshTimeout
from graped.model import SlotId
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_keys import KeyRing, fingerprint_of
from graped.network.trust import LOGIN_S, KeyState, Shown, leave_keys, look
from graped.provision.chores import Chores
from graped.work import Work

LOOK_S: Final = 5.0
AT_ONCE: Final = 16


class Journal(Protocol):
    """The event log."""

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object: ...


class Trusting:
    """``endpoint`` tells where a node is met; ``pinned`` is called (in any thread) when a key was pinned."""

    def __init__(
        self,
        endpoint: Callable[[SlotId], Endpoint],
        keys: KeyRing,
        chores: Chores,
        journal: Journal,
        pinned: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._chores = chores
        self._journal = journal
        self._pinned = pinned
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="trust")

    async def look(self, slots: Sequence[SlotId], user: str) -> Sequence[types.HostKey]:
        """Ask nodes for their host keys, all at once, and whether ``user`` lets the cluster's key in already."""
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._threads, self._look, slot, user) for slot in slots))

    def trust(self, wanted: Mapping[SlotId, str], *, user: str, password: str | None, by: str) -> Chore:
        """Pin the keys with these fingerprints, once the nodes let graped in. ``password`` is used and not kept."""
        each = partial(self._trust, dict(wanted), user, password)
        names = fold(tuple(self._endpoint(slot).name for slot in wanted))
        return self._chores.start_each(ChoreKind.NODE_TRUST, names, each, tuple(wanted), by=by, at_once=AT_ONCE)

    # --- in threads -----------------------------------------------------------------------------------

    def _look(self, slot: SlotId, user: str) -> types.HostKey:
        at = self._endpoint(slot)
        shown = Shown(state=KeyState.SILENT, why="no address is configured for it")
        if at.address:
            shown = look(at.address, at.port, at.host_keys, LOOK_S)
        return types.HostKey(
            name=at.name,
            address=at.address or None,
            state=shown.state.value,
            fingerprint=shown.fingerprint,
            pinned=fingerprint_of(at.host_keys[0]) if at.host_keys else "",
            lets_us_in=bool(shown.key) and self._lets_us_in(replace(at, user=user, host_keys=(shown.key,))),
            why=shown.why,
        )

    def _lets_us_in(self, endpoint: Endpoint) -> bool:
        try:
            connect(endpoint, self._keys.cluster_key(), timeout_s=LOOK_S).close()
        except SshError:
            return False
        return True

    def _trust(self, wanted: Mapping[SlotId, str], user: str, password: str | None, slot: SlotId, work: Work) -> str:
        """Log in, leave our keys there, pin. Raises: SshError, CommandFailed; then nothing is pinned."""
        at = self._endpoint(slot)
        if not at.address:
            raise NotFound(f"{at.name} has no address", hint="Give its device an address in the configuration.")
        shown = look(at.address, at.port, (), LOGIN_S)
        if not shown.key:
            raise SshTimeout(f"{at.name} shows no host key: {shown.why}", node=at.name)
        if shown.fingerprint != wanted[slot]:
            raise HostKeyChanged(
                f"{at.name} shows {shown.fingerprint} now, and not the key that was accepted",
                hint="Look again, and compare the fingerprints.",
                key=shown.key,
                node=at.name,
            )
        work.check()
        ours = (self._keys.cluster_public_key(), *self._keys.clients.all().values())
        there = replace(at, user=user, host_keys=(shown.key,))
        leave_keys(there, self._keys.cluster_key(), ours, user=at.user, password=password)
        if self._keys.pin(at.name, (shown.key,)):
            before = fingerprint_of(at.host_keys[0]) if at.host_keys else ""
            told = {"fingerprint": shown.fingerprint, "before": before, "user": user}
            text = f"{at.name} is trusted: {shown.fingerprint}" + (f", and no more: {before}" if before else "")
            tell = partial(self._journal.append, "node.trusted", text, node=at.name, fields=told)
            self._loop.call_soon_threadsafe(tell)  # the journal belongs to the loop's thread
        self._pinned()
        return shown.fingerprint
