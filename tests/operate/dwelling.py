"""A house for features: the rack in memory, real chores, and a way to nodes that a test gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from graped.config.types import Config
from graped.core.chore import Chore
from graped.core.events import NodesTrusted, PortRead, StageSeen
from graped.engine import Engine
from graped.model import PortReading, SlotId, Stage
from graped.network.ssh_client import Endpoint
from graped.operate.house import House
from graped.provision.chores import Chores
from graped.provision.doubts import Doubts
from tests.api.rack import Rack, config_of


class Door:
    """Where nodes are met: all at one place, or nowhere."""

    def __init__(self, engine: Engine, keys: Any = None) -> None:
        self._engine = engine
        self.keys = keys
        self.at: Endpoint | None = None
        self.living = SimpleNamespace(doubts=Doubts())

    def endpoint(self, slot: SlotId) -> Endpoint:
        name = self._engine.state.config.node_name(slot)
        if self.at is not None:
            return replace(self.at, name=name)
        return Endpoint(name=name, address="10.77.0.10", port=22, user="root", host_keys=("ssh-ed25519 AAAA",))


def switched_on(rack: Rack) -> None:
    """Have every slot be on."""
    for stack in rack.ports:
        rack.ports[stack] = 0x81
        reading = PortReading(value=0x81, known=0xFF)
        rack.engine.post(PortRead(stack=stack, reading=reading, at=rack.clock.monotonic()))


def up(rack: Rack, *slots: SlotId) -> None:
    for slot in slots:
        rack.engine.post(StageSeen(slot=slot, stage=Stage.UP))


def dwell(
    story: Callable[[House, Rack], Awaitable[None]],
    *,
    config: Config | None = None,
    door: Callable[[Engine], Any] = Door,
    served: bool = True,
    timeout_s: float = 30.0,
) -> None:
    """Tell a story in a house whose engine runs."""

    async def bounded() -> None:
        async with asyncio.timeout(timeout_s), _house(config or config_of(), door, served) as (house, rack):
            await story(house, rack)

    asyncio.run(bounded())


@asynccontextmanager
async def _house(config: Config, door: Callable[[Engine], Any], served: bool) -> AsyncIterator[tuple[House, Rack]]:
    rack = Rack(config=config)
    chores, stop = Chores(rack.engine), asyncio.Event()
    turning = asyncio.create_task(rack.engine.run(stop))
    everybody = frozenset(SlotId(key, slot) for key, one in config.cluster.stacks.items() for slot in one.devices)
    rack.engine.post(NodesTrusted(slots=everybody))
    anything: Any = object()
    house = House(
        engine=rack.engine, journal=rack.journal, clock=rack.clock, chores=chores, access=door(rack.engine),
        provisioning=anything if served else None, is_real=lambda _: True, config_file=Path("/nowhere/config.toml"),
        set_devices=lambda _: None, reload=rack.reload,
    )  # fmt: skip
    try:
        yield house, rack
    finally:
        await chores.close(1.0)
        stop.set()
        await turning


async def until(what: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ended(house: House, chore: Chore) -> Chore:
    """Wait for the end of a chore."""
    await until(lambda: house.state.chores[chore.id].ended is not None)
    return house.state.chores[chore.id]


@asynccontextmanager
async def running(feature: Any) -> AsyncIterator[None]:
    """Have a feature run for the time of a block."""
    task = asyncio.create_task(feature.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
