"""Where a board stack answers, and that asking for it changes nothing."""

from __future__ import annotations

import asyncio
import random

import pytest

from graped.config.types import Cluster, Config, Stack
from graped.hardware import probe
from graped.hardware.bus import PatientBus
from graped.hardware.drivers.registry import StackLocation
from graped.hardware.lanes import Lanes
from tests.hardware.i2c_fakes import FakeBus, FakeClock, Noise, PortChip


def config(**stacks: Stack) -> Config:
    return Config(cluster=Cluster(stacks={int(key[1:]): stack for key, stack in stacks.items()}))


class Rig:
    def __init__(self, *places: tuple[int, int], buses: tuple[int, ...] = (0, 1)) -> None:
        clock = FakeClock()
        self.wires = {number: FakeBus(number, clock) for number in buses}
        for bus, address in places:
            self.wires[bus].chips[0x38 + address] = PortChip(0xFD)
        self.buses = {n: PatientBus(wire, clock=clock, sleep=clock.sleep) for n, wire in self.wires.items()}


def locate(key: int, config: Config, buses: dict[int, PatientBus]) -> StackLocation:
    lanes = Lanes()
    try:
        return asyncio.run(probe.find(key, config, buses, lanes))
    finally:
        lanes.close()


@pytest.mark.parametrize("bus", [0, 1])
def test_a_stack_is_found_on_either_bus(bus: int) -> None:
    rig = Rig((bus, 3))
    assert locate(3, config(s3=Stack()), rig.buses) == StackLocation(bus=bus, address=3)


def test_asking_receives_bytes_from_the_port_and_sends_nothing() -> None:
    rig = Rig((1, 3))
    locate(3, config(s3=Stack()), rig.buses)
    seen = [(s.op, s.address) for wire in rig.wires.values() for s in wire.log]
    assert set(seen) == {("receive_byte", 0x3B)}


def test_a_stack_on_both_buses_is_ambiguous_unless_the_bus_is_given() -> None:
    rig = Rig((0, 2), (1, 2))
    with pytest.raises(probe.Ambiguous, match="address 2 answers on buses 0 and 1") as caught:
        locate(2, config(s2=Stack()), rig.buses)
    assert "bus = 0 or 1 under cluster.stacks.2" in caught.value.hint
    assert locate(2, config(s2=Stack(bus=0)), rig.buses) == StackLocation(bus=0, address=2)


def test_keys_from_8_on_are_on_bus_1_with_their_address_modulo_8() -> None:
    rig = Rig((0, 2), (1, 2))
    assert locate(10, config(s10=Stack()), rig.buses) == StackLocation(bus=1, address=2)
    assert rig.wires[0].log == []


def test_an_address_of_its_own() -> None:
    rig = Rig((0, 6))
    assert locate(1, config(s1=Stack(address=6)), rig.buses) == StackLocation(bus=0, address=6)


def test_a_missing_stack_says_what_every_bus_said() -> None:
    rig = Rig(buses=(1,))
    with pytest.raises(probe.Missing) as caught:
        locate(0, config(s0=Stack()), rig.buses)
    assert "there is no I2C bus 0" in caught.value.detail
    assert "nobody at 0x38 on bus 1" in caught.value.detail


def test_a_hung_bus_hides_nothing_on_the_other_and_costs_one_deadline() -> None:
    rig = Rig((1, 0))
    rig.wires[0].hung = True
    start = rig.wires[0].clock.now
    assert locate(0, config(s0=Stack()), rig.buses) == StackLocation(bus=1, address=0)
    assert rig.wires[0].clock.now - start < 0.25 + rig.wires[0].timeout_s


def test_noise_hides_no_second_stack() -> None:
    for seed in range(100):
        rig = Rig((0, 0), (1, 0))
        for wire in rig.wires.values():
            wire.noise = Noise(rng=random.Random(seed), nack=0.4)
        with pytest.raises(probe.Ambiguous):
            locate(0, config(s0=Stack()), rig.buses)


def test_each_bus_is_asked_in_its_own_lane() -> None:
    async def main() -> StackLocation:
        lanes = Lanes()
        try:
            return await probe.find(3, config(s3=Stack()), rig.buses, lanes)
        finally:
            lanes.close()

    rig = Rig((1, 3))
    assert asyncio.run(main()) == StackLocation(bus=1, address=3)
    assert {seen.by for wire in rig.wires.values() for seen in wire.log} == {"probe stack 3"}
