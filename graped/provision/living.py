"""Ask nodes by SSH whether they live, and tell the core: whether they boot over the network or from their own disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Final

from graped.clock import Clock
from graped.config.addresses import address_of
from graped.config.types import Boot, Config
from graped.core.boot import device_of, watchable
from graped.core.events import Event, SlotsWatched, StageSeen
from graped.core.lateness import UNTRUSTED
from graped.core.state import SlotState, State
from graped.model import SlotId, Stage
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from graped.network.ssh_probe import Probe, probe
from graped.provision.changed_keys import ChangedKeys
from graped.provision.doubts import Doubts, stuck
from graped.provision.pulse import Answer, Pulse, is_booting

IDLE_S: Final = 0.5  # between two looks at who is to be asked
BOOT_S: Final = 0.1  # the same while somebody may answer any moment
TIMEOUT_S: Final = 3.0
BOOT_CONNECT_S: Final = 0.6  # a machine that just came up is met by a fresh try, not by TCP's own of a second later
AT_ONCE: Final = 32


class Living:
    """``real`` tells the slots whose nodes are not simulated; the simulator speaks for the others."""

    def __init__(
        self,
        state: Callable[[], State],
        post: Callable[[Event], None],
        keys: KeyRing,
        clock: Clock,
        real: Callable[[SlotId], bool],
        simulated: frozenset[SlotId],
        changed_keys: ChangedKeys,
    ) -> None:
        self._changed_keys = changed_keys
        self._state = state
        self._post = post
        self._keys = keys
        self._clock = clock
        self._real = real
        self._simulated = simulated
        self._config: Config | None = None
        self._addresses: dict[SlotId, IPv4Address] = {}
        self._local: frozenset[SlotId] = frozenset()
        self._pulse = Pulse()
        # Threads of their own: nodes that do not answer must not keep anything else in this daemon from its turn.
        self._askers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ssh")
        self._asking: set[SlotId] = set()
        self._met: set[SlotId] = set()  # asked at least once since we started
        self.doubts = Doubts()

    async def run(self) -> None:
        """Ask until cancelled."""
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                addresses, slots = self.addresses(), self._state().slots
                idle = [slot for slot in addresses if slot not in self._asking]
                for slot in self._pulse.due(slots, idle, self._clock.monotonic(), self._local):
                    self._asking.add(slot)
                    group.create_task(self._ask(slot, addresses[slot], room))
                await asyncio.sleep(BOOT_S if any(self._boots(slots, slot) for slot in addresses) else IDLE_S)

    def addresses(self) -> Mapping[SlotId, IPv4Address]:
        """Tell where the nodes are that can be asked; a new configuration is taken over here."""
        config = self._state().config
        if config is not self._config:
            self._config = config
            there = {slot: address_of(config, slot) for slot in watchable(config) if self._real(slot)}
            before, self._addresses = self._addresses, {slot: at for slot, at in there.items() if at is not None}
            for slot, at in self._addresses.items():
                if at != before.get(slot, at):
                    self._pulse.forget(slot)  # asked at once where it is now
            self._local = frozenset(slot for slot in self._addresses if _is_local(config, slot))
            self._post(SlotsWatched(slots=self._simulated | self._addresses.keys()))
        return self._addresses

    def pinned_anew(self, slot: SlotId) -> None:
        """Ask a node at once: its pinned key is another one."""
        self._pulse.forget(slot)

    def _boots(self, slots: Mapping[SlotId, SlotState], slot: SlotId) -> bool:
        state = slots.get(slot)
        return state is not None and is_booting(state, slot in self._local)

    async def _ask(self, slot: SlotId, address: IPv4Address, room: asyncio.Semaphore) -> None:
        try:
            async with room:
                state = self._state()
                name, config = state.config.node_name(slot), state.config
                connect_s = BOOT_CONNECT_S if self._boots(state.slots, slot) else TIMEOUT_S

                doubted = self.doubts.concern(slot, self._stage(slot))

                def ask() -> tuple[Probe, tuple[str, ...], str]:  # in a thread
                    keys = self._keys.public_keys(name)
                    found = probe(str(address), config.ssh.port, keys, TIMEOUT_S, connect_s=connect_s)
                    why = ""
                    if doubted and found.key_matches:
                        at = Endpoint(
                            name=name, address=str(address), port=config.ssh.port, user=config.ssh.user, host_keys=keys
                        )
                        why = stuck(at, self._keys.cluster_key())
                    return found, keys, why

                found, pinned, why = await asyncio.get_running_loop().run_in_executor(self._askers, ask)
            if found.key_matches is False:
                self._changed_keys.seen(slot, name, pinned, found.key)
            elif found.key_matches:
                self._changed_keys.settled(slot)
            if doubted and found.key_matches and not why:
                self.doubts.settle(slot)
            answer = _answer(found, name, pinned=bool(pinned), local=slot in self._local, stuck=why)
            seen = self._pulse.heard(slot, self._stage(slot), answer, self._clock.monotonic())
            if seen is not None:
                first = slot not in self._met
                self._post(StageSeen(slot=slot, stage=seen.stage, evidence=seen.evidence, initial=first))
            self._met.add(slot)
        finally:
            self._asking.discard(slot)

    def _stage(self, slot: SlotId) -> Stage | None:
        now = self._state().slots.get(slot)
        return now.stage if now else None


def _answer(found: Probe, name: str, *, pinned: bool, local: bool, stuck: str) -> Answer:
    """Say what came back: SSH that shows no key, or behind which no command ends, is no answer. Pure."""
    if stuck:
        return Answer(error=stuck)
    if found.key_matches is not None:
        return Answer(banner=found.banner, trusted=found.key_matches)
    if found.key and not pinned:
        return Answer(banner=found.banner, error=f"{UNTRUSTED}: grapecli node trust {name}" if local else "")
    return Answer(error=found.error, in_vain=bool(found.banner))


def _is_local(config: Config, slot: SlotId) -> bool:
    device = device_of(config, slot)
    return device is not None and device.boot is Boot.LOCAL
