"""A full poll of 16 stacks against the pure time of its transactions on two 100 kHz buses.

The drivers, meters, patience and lanes are graped's own, used as ``pollers`` uses them. Below them each transaction
takes its true time on the wire, and what this machine is late in waking up. How much that is shows the second row:
the same transactions once more, in a bare loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from graped.config.types import Stack, Temperature
from graped.hardware import switching
from graped.hardware.bus import PatientBus
from graped.hardware.drivers.registry import Resources, StackLocation
from graped.hardware.drivers.stack import StackPort, build
from graped.hardware.lanes import Lane, Lanes, Priority, lane_of_bus
from graped.hardware.meters import METER_ADDRESSES, BoardMeters
from graped.hardware.sim.blueprint import NodePlan, RackPlan, StackKind, StackPlan
from graped.hardware.sim.buses import RackBus
from graped.hardware.sim.ops import Op, Result
from graped.hardware.sim.rack import Rack
from tests.bench.rows import Row, median, ratio_row

STACKS = 16
WIRE_HZ = 100_000
AIM = 1.2
CAUSE = (
    "between two transactions the bus waits for Python (about 15 us of it) and for the interpreter lock, which two bus "
    "threads and the event loop share; a bare loop on the same simulated wires wakes up late too, see the row below"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """One stack with its driver, meters and lane."""

    key: int
    port: StackPort
    meters: BoardMeters
    lane: Lane


class _Wire(RackBus):
    """A bus that remembers what went over it."""

    def __init__(self, rack: Rack, number: int) -> None:
        super().__init__(rack, number, wire_hz=WIRE_HZ)
        self.said: list[tuple[Op, int, int, int]] = []

    def transact(self, op: Op, address: int, register: int, value: int) -> tuple[Result, int]:
        """Do one transaction."""
        self.said.append((op, address, register, value))
        return super().transact(op, address, register, value)

    def replay(self) -> None:
        """Do it all again."""
        for transaction in tuple(self.said):
            super().transact(*transaction)


class _Cluster:
    """Sixteen stacks on two buses, all slots on."""

    def __init__(self) -> None:
        nodes = {slot: NodePlan() for slot in range(6)}
        plans = {key: _plan(key, nodes) for key in range(STACKS)}
        self.wires = {bus: _Wire(Rack(RackPlan(stacks=plans)), bus) for bus in (0, 1)}
        self.lanes = Lanes()
        buses = {bus: PatientBus(wire) for bus, wire in self.wires.items()}
        self.stacks = [self._stack(key, buses) for key in range(STACKS)]
        self.verified: dict[int, int] = {}

    def _stack(self, key: int, buses: dict[int, PatientBus]) -> _Stack:
        place = StackLocation(bus=key // 8, address=key % 8)
        port = build(key, Stack(bus=place.bus), Resources(buses=buses, location=place))
        meters = BoardMeters(buses[place.bus], place.address, 0.02, None, Temperature())
        return _Stack(key=key, port=port, meters=meters, lane=self.lanes.get(lane_of_bus(place.bus)))

    async def poll(self) -> None:
        """Read each port and all meters once."""
        async with asyncio.TaskGroup() as group:
            for stack in self.stacks:
                group.create_task(self._port(stack))
                group.create_task(self._meters(stack))

    async def _port(self, stack: _Stack) -> None:
        work = lambda: switching.look(stack.port, self.verified.get(stack.key))  # noqa: E731
        look = await stack.lane.run(work, priority=Priority.POLL, by="poll")
        assert look.reading is not None
        self.verified[stack.key] = look.reading.value

    async def _meters(self, stack: _Stack) -> None:
        work = lambda: stack.meters.read(time.monotonic())  # noqa: E731
        readings, missing = await stack.lane.run(work, priority=Priority.METERS, by="meter")
        assert readings
        assert not missing

    async def replay(self) -> None:
        """Do the transactions of the last poll again, with nothing around them."""
        async with asyncio.TaskGroup() as group:
            for bus, wire in self.wires.items():
                lane = self.lanes.get(lane_of_bus(bus))
                group.create_task(lane.run(wire.replay, priority=Priority.POLL, by="poll"))

    def wire_s(self) -> list[float]:
        """Tell the pure time on each wire so far."""
        return [wire.wire_s for wire in self.wires.values()]


def _plan(key: int, nodes: dict[int, NodePlan]) -> StackPlan:
    address = key % 8
    return StackPlan(kind=StackKind.BOARD, nodes=nodes, bus=key // 8, address=address, meter=address in METER_ADDRESSES)


def measure(rounds: int) -> list[Row]:
    """Poll everything ``rounds`` times."""
    polls, replays, wires = asyncio.run(_rounds(rounds))
    poll, replay, wire = median(polls), median(replays), median(wires)
    what = f"full poll, {STACKS} stacks / {STACKS * 6} slots, two 100 kHz buses"
    return [
        ratio_row(what, poll, "wire", wire, at_most=AIM, cause=CAUSE),
        ratio_row("the same", poll, "these transactions in a bare loop", replay),
    ]


async def _rounds(rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Give the times of polls, of replays, and of the wire that was busier."""
    cluster = _Cluster()
    polls, replays, wires = [], [], []
    await cluster.poll()  # sets the meters up and learns the ports
    for _ in range(rounds):
        for wire in cluster.wires.values():
            wire.said = []
        before = cluster.wire_s()
        polls.append(await _timed(cluster.poll))
        wires.append(max(after - then for after, then in zip(cluster.wire_s(), before, strict=True)))
        replays.append(await _timed(cluster.replay))
    cluster.lanes.close()
    return polls, replays, wires


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
