"""Put netbooting together for one daemon: edges, chores, steward, watch, and what the API sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from graped.clock import Clock
from graped.config.types import Config
from graped.engine import Engine
from graped.model import SlotId
from graped.netboot.plan import folder
from graped.provision.access import Access
from graped.provision.chores import Chores
from graped.provision.doctor import Doctor
from graped.provision.edges import build
from graped.provision.moving import Moving
from graped.provision.netboot import Netboot, Settings
from graped.provision.rivals import Rivals
from graped.provision.rootwork import RootWork
from graped.provision.sightings import MacHeard
from graped.provision.steward import Steward
from graped.provision.watch import Journal, Watch
from graped.runner import SubprocessRunner

OUTPUT_BYTES: Final = 4_000_000  # what a program that we run may say: `exportfs -v` of 96 nodes, a package manager


def is_wanted(config: Config) -> bool:
    """Whether there is anything to do for netbooting, or anything stored that could be shown."""
    return config.netboot.active or (folder(config) / "images").is_dir()


class Provisioning:
    """Made in the event loop's thread, with the long work and the keys of the daemon."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        clock: Clock,
        set_devices: Callable[[Settings], None],
        chores: Chores,
        access: Access,
    ) -> None:
        loop = asyncio.get_running_loop()
        config = engine.state.config
        self._engine = engine
        edges = build(config, SubprocessRunner(output_limit_bytes=OUTPUT_BYTES), clock.wall, access.keys)
        state = lambda: engine.state  # noqa: E731

        def pin(slot: SlotId, image: str | None) -> None:  # in a thread
            asyncio.run_coroutine_threadsafe(_call(set_devices, {slot: {"image": image}}), loop).result(30)

        work = RootWork(edges, state, pin)
        rivals = Rivals(lambda: engine.state.config, clock)
        self._steward = Steward(edges, engine, clock, rivals, lambda slots, by: self.netboot.make_roots(slots, by=by))
        self._steward.hold()
        self.moving = Moving(edges, state, work, pin, self._steward.served)
        self._watch = Watch(state, engine.post, journal, clock, access.living.addresses)
        self.netboot = Netboot(
            edges=edges,
            steward=self._steward,
            chores=chores,
            work=work,
            state=state,
            clock=clock,
            set_devices=set_devices,
            check=lambda: Doctor(edges, engine.state, rivals, self._steward.exports),
        )

    def hear_with(self, hear: Callable[[MacHeard], None]) -> None:
        """Have every MAC address told that asks for an address, known or not; in the loop's thread."""
        self._watch.hear = hear

    async def run(self) -> None:
        """Keep servers and roots right and tell boot stages, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._steward.run())
            if self._engine.state.config.netboot.active:  # a change of it needs a restart
                group.create_task(self._watch.run())


async def _call(set_devices: Callable[[Settings], None], settings: Settings) -> None:
    set_devices(settings)
