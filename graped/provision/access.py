"""Who may log in where: host keys of nodes, keys of clients, the SSH side of each node, whether it netboots or not.

Nothing of netbooting is needed or started here. Implements ``api.backend.Access``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from graped.api import types
from graped.api.folding import fold
from graped.clock import Clock
from graped.config.addresses import address_of
from graped.config.types import Boot
from graped.core.boot import device_of
from graped.core.chore import Chore, ChoreKind
from graped.core.events import NodesTrusted
from graped.core.lateness import UNTRUSTED
from graped.engine import Engine
from graped.errors import HostKeyChanged, NodeOff, NotFound, SshFailed, Untrusted
from graped.model import Power, SlotId
from graped.network.authorized import let_in
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_keys import KeyRing, fingerprint_of
from graped.network.ssh_login import prove as prove_key
from graped.provision.changed_keys import ChangedKeys
from graped.provision.chores import Chores
from graped.provision.faults import Faults
from graped.provision.identities import known_nodes
from graped.provision.living import Living
from graped.provision.trusting import Trusting
from graped.work import Work

ROUND_S: Final = 2.0
CONNECT_S: Final = 10.0
LOGINS_AT_ONCE: Final = 16


class Journal(Protocol):
    """The event log."""

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object: ...


class Access:
    """One daemon's; made in the event loop's thread. ``real`` tells which slots hold machines, not made-up nodes."""

    def __init__(
        self,
        engine: Engine,
        chores: Chores,
        journal: Journal,
        clock: Clock,
        real: Callable[[SlotId], bool],
        simulated: frozenset[SlotId],
    ) -> None:
        self._engine = engine
        self._real = real
        self._chores = chores
        self._journal = journal
        self.keys = KeyRing(engine.state.config.store.state_dir / "ssh")
        self.changed_keys = ChangedKeys(self.endpoint, journal)
        self.living = Living(
            lambda: engine.state, engine.post, self.keys, clock, real, simulated, self.changed_keys
        )  # fmt: skip
        self._faults = Faults(engine.post)
        loop = asyncio.get_running_loop()

        def pinned() -> None:  # in any thread; whoever asked may call ssh at once
            with self._faults.of("ssh.keys"):
                self.keys.write_known_hosts(known_nodes(engine.state.config))
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.pinned)

        trusting = Trusting(self.endpoint, self.keys, chores, journal, pinned)
        self.look = trusting.look
        self.trust = trusting.trust
        self._pins: dict[SlotId, tuple[str, ...]] = {}
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Ask nodes whether they live, and keep what is told of pinned keys right, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.living.run())
            group.create_task(self._follow_pins())

    def pinned(self) -> None:
        """Look at once: keys were pinned or forgotten. Call it in the loop's thread."""
        self._woken.set()

    # --- what the API asks ------------------------------------------------------------------------------

    async def ssh(self, slot: SlotId, *, prove: bool = False) -> types.NodeSsh:
        """Tell how a node is met; with ``prove`` once it has proved a pinned key. Raises: SshError, with ``prove``."""
        at = await asyncio.to_thread(self.endpoint, slot)
        if prove:
            await asyncio.to_thread(self._prove, slot)
        trusted = bool(at.address and at.host_keys)
        return types.NodeSsh(
            name=at.name, address=at.address or None, port=at.port, user=at.user, host_keys=at.host_keys,
            fingerprint=fingerprint_of(at.host_keys[0]) if at.host_keys else "", trusted=trusted,
            why="" if trusted else self._why(slot, at), known_hosts=str(self.keys.known_hosts),
        )  # fmt: skip

    def reachable(self, slot: SlotId) -> Endpoint:
        """Tell where a node is met, if anybody can be met there; in any thread.

        Raises: NodeOff, Untrusted, SshFailed (it is simulated, or has no address).
        """
        at = self.endpoint(slot)
        if not self._real(slot):
            raise SshFailed(f"{at.name}: it is simulated: nobody is there to log in on", node=at.name)
        state = self._engine.state.slots.get(slot)
        if state is not None and state.observed is Power.OFF:
            raise NodeOff(f"{at.name}: it has no power", hint=f"grapecli power on {at.name}", node=at.name)
        if not at.address:
            hint = "Give its device an address in the configuration."
            raise SshFailed(f"{at.name}: it has no address", hint=hint, node=at.name)
        if not at.host_keys:
            raise Untrusted(f"{at.name}: {self._why(slot, at)}", hint=f"grapecli node trust {at.name}", node=at.name)
        return at

    def _prove(self, slot: SlotId) -> None:
        """Have a node prove a pinned key (in a thread). Raises: SshError."""
        try:
            prove_key(self.reachable(slot), CONNECT_S)
        except HostKeyChanged as error:
            self.changed_keys.met(slot, str(error.fields.get("key") or ""))
            raise

    def endpoint(self, slot: SlotId) -> Endpoint:
        """Tell where a node is met, as whom and by which host keys; ``address`` is "" where it has none."""
        config = self._engine.state.config
        name, address = config.node_name(slot), address_of(config, slot)
        return Endpoint(
            name=name, address=str(address or ""), port=config.ssh.port, user=config.ssh.user,
            host_keys=self.keys.public_keys(name),
        )  # fmt: skip

    def _why(self, slot: SlotId, at: Endpoint) -> str:
        device = device_of(self._engine.state.config, slot)
        if not at.address:
            return "it has no address: give its device one in the configuration"
        if device is not None and device.boot is Boot.NETWORK and self._engine.state.config.netboot.active:
            return f"no host key is pinned: it gets keys with its root: grapecli node set {at.name} --image IMAGE"
        return f"{UNTRUSTED}: grapecli node trust {at.name}"

    async def client_keys(self) -> Sequence[types.ClientKey]:
        """List the programs that log in by keys of their own."""
        found = await asyncio.to_thread(self.keys.clients.all)
        return tuple(_client(name, line) for name, line in found.items())

    async def set_client_key(self, name: str, public_key: str, *, by: str) -> types.ClientKey:
        """Keep a program's key, for every root that is made from now on."""
        changed = await asyncio.to_thread(self.keys.clients.set, name, public_key)
        key = await self._client(name)
        if changed:
            text = f"new roots accept the key of {name}, {key.fingerprint}; asked by {by}"
            self._journal.append("key.set", text, fields={"name": name, "fingerprint": key.fingerprint, "by": by})
        return key

    async def remove_client_key(self, name: str, *, by: str) -> types.ClientKey:
        """Forget a program's key. Raises: NotFound."""
        key = await self._client(name)
        if await asyncio.to_thread(self.keys.clients.remove, name):
            text = f"new roots do not accept the key of {name} any more; asked by {by}"
            self._journal.append("key.removed", text, fields={"name": name, "by": by})
        return key

    async def install_client_key(self, name: str, slots: Sequence[SlotId], *, by: str) -> Chore:
        """Have nodes accept a program's key now. Raises: NotFound."""
        key = await self._client(name)

        def install(slot: SlotId, work: Work) -> str:  # in a thread
            at = self.endpoint(slot)
            if not at.address:
                raise NotFound(f"{at.name} has no address")
            with connect(at, self.keys.cluster_key(), timeout_s=CONNECT_S) as session:
                work.check()
                return "added" if let_in(session, (key.public_key,), user=at.user) else "as it was"

        subject = f"{name} on {fold(tuple(map(self._engine.state.config.node_name, slots)))}"
        return self._chores.start_each(
            ChoreKind.NODE_KEYS, subject, install, tuple(slots), by=by, at_once=LOGINS_AT_ONCE
        )  # fmt: skip

    async def _client(self, name: str) -> types.ClientKey:
        line = (await asyncio.to_thread(self.keys.clients.all)).get(name)
        if line is None:
            raise NotFound(f"there is no key of {name}", hint="GET /v1/keys lists them.")
        return _client(name, line)

    # --- pins -------------------------------------------------------------------------------------------

    async def _follow_pins(self) -> None:
        """See which host keys are pinned, round after round: roots bring some, people others."""
        seen: object = None
        while True:
            asked = self._woken.is_set()
            self._woken.clear()
            now = (self._engine.state.config, self.keys.version())
            pins = self._pins if now == seen and not asked else await asyncio.to_thread(self._look)
            seen = now
            for slot in pins.keys() | self._pins.keys():
                if pins.get(slot) != self._pins.get(slot):
                    self.living.pinned_anew(slot)
                    self.changed_keys.settled(slot)
            self._pins = pins
            self._engine.post(NodesTrusted(slots=frozenset(pins)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._woken.wait()

    def _look(self) -> dict[SlotId, tuple[str, ...]]:
        """Read all pins; without netbooting nobody else writes ``known_hosts`` (in a thread)."""
        config = self._engine.state.config
        pins = self._pins
        with self._faults.of("ssh.keys"):
            pins = {
                slot: keys
                for key, stack in config.cluster.stacks.items()
                for number in stack.devices
                if (keys := self.keys.public_keys(config.node_name(slot := SlotId(key, number))))
            }
            if not config.netboot.active and (pins or self.keys.known_hosts.exists()):
                self.keys.write_known_hosts(known_nodes(config))
        return pins


def _client(name: str, line: str) -> types.ClientKey:
    return types.ClientKey(name=name, public_key=line, fingerprint=fingerprint_of(line))
