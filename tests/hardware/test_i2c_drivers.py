"""The drivers of the Grape stack and the ClusterHAT, and how drivers are found."""

from __future__ import annotations

import random
from importlib.metadata import EntryPoint

import pytest

from graped.config.types import DriverSpec, Stack
from graped.core.events import SwitchEnd
from graped.errors import DriverError, PortUnsure
from graped.hardware.bus import PatientBus
from graped.hardware.drivers import clusterhat, registry, stack
from graped.hardware.drivers.clusterhat import ClusterHat
from graped.hardware.drivers.registry import Resources, StackLocation
from graped.hardware.protocols import PowerDriver
from graped.hardware.switching import CountsErrors, switch
from graped.model import PortReading
from tests.hardware.i2c_fakes import FakeBus, FakeClock, Noise, PortChip, RegisterChip

IN, OUT, PIR, DIR, PUR = range(5)


def patient(wire: FakeBus) -> PatientBus:
    return PatientBus(wire, clock=wire.clock, sleep=wire.clock.sleep)


# --- the Grape stack ----------------------------------------------------------------------------------


def test_a_stack_is_built_where_it_was_found() -> None:
    wire = FakeBus(0)
    wire.chips[0x3D] = PortChip(0xFB)
    resources = Resources(buses={0: patient(wire)}).at(StackLocation(bus=0, address=5))
    port: PowerDriver = stack.spec.build(5, Stack(), resources)
    assert port.lane == "i2c-0"
    assert port.read(None) == PortReading(value=0xFB, known=0xFF)
    port.write(0xFB, 0xFF)
    assert wire.ops(0x3D) == ["receive_byte"] * 6 + ["send_byte"]
    assert isinstance(port, CountsErrors)


def test_building_a_stack_touches_nothing() -> None:
    wire = FakeBus(1)
    stack.spec.build(0, Stack(), Resources(buses={1: patient(wire)}).at(StackLocation(bus=1, address=0)))
    clusterhat.spec.build(1, Stack(), Resources(buses={1: patient(wire)}))
    assert wire.log == []


def test_a_stack_without_a_place_or_bus_is_refused() -> None:
    with pytest.raises(DriverError, match="where it answers"):
        stack.spec.build(0, Stack(), Resources())
    with pytest.raises(DriverError, match="no I2C bus 1"):
        stack.spec.build(0, Stack(), Resources().at(StackLocation(bus=1, address=0)))


def test_what_the_config_needs_to_know() -> None:
    assert stack.spec.board
    assert stack.spec.slots(stack.Options()) == frozenset(range(6))
    assert not clusterhat.spec.board
    assert clusterhat.spec.slots(clusterhat.Options()) == frozenset(range(4))
    assert stack.spec.pins(stack.Options()) == clusterhat.spec.pins(clusterhat.Options()) == {}


def test_reads_that_never_agree_are_unsure() -> None:
    wire = FakeBus(1)
    wire.chips[0x38] = PortChip(0xFF)
    wire.noise = Noise(flip=1.0)
    port = stack.StackPort(patient(wire), StackLocation(bus=1, address=0), 0.25)
    with pytest.raises(PortUnsure):
        port.read(0xFF)


# --- the ClusterHAT -----------------------------------------------------------------------------------


class Expander(RegisterChip):
    """An XRA1200 whose pins are pulled down; remembers each level its slots' pins ever had."""

    def __init__(self) -> None:
        super().__init__({IN: 0, OUT: 0xFF, PIR: 0, DIR: 0xFF, PUR: 0}, 1, frozenset({IN}))
        self.seen = {0}

    @property
    def pins(self) -> int:
        return self.registers[OUT] & ~self.registers[DIR]

    def write(self, data: list[int]) -> None:
        super().write(data)
        self.seen.add(self.pins & 0x0F)

    def read(self, count: int) -> list[int]:
        self.registers[IN] = self.pins
        return super().read(count)


@pytest.fixture
def wire() -> FakeBus:
    bus = FakeBus(1, FakeClock(tick_s=0.0001))
    bus.chips[0x20] = Expander()
    return bus


@pytest.fixture
def expander(wire: FakeBus) -> Expander:
    chip = wire.chips[0x20]
    assert isinstance(chip, Expander)
    return chip


@pytest.fixture
def hat(wire: FakeBus) -> ClusterHat:
    built = clusterhat.spec.build(9, Stack(driver="clusterhat"), Resources(buses={1: patient(wire)}))
    assert isinstance(built, ClusterHat)
    return built


def test_a_hat_after_power_on_is_off_at_its_reset_value_and_not_written(hat: ClusterHat, expander: Expander) -> None:
    assert hat.read(None) == PortReading(value=clusterhat.LAYOUT.reset or 0, known=0xFF)
    assert expander.registers[DIR] == 0xFF
    assert expander.writes == []


def test_the_first_power_command_sets_levels_before_directions(hat: ClusterHat, expander: Expander) -> None:
    assert switch(hat, 0xF0, 0xF2).end is SwitchEnd.VERIFIED
    assert expander.writes == [(OUT, 0xF2), (DIR, 0xF0)]
    assert expander.seen == {0b0000, 0b0010}  # no other slot saw power, not even for a moment


def test_later_commands_write_the_output_only(hat: ClusterHat, expander: Expander) -> None:
    switch(hat, 0xF0, 0xF2)
    expander.writes.clear()
    assert switch(hat, 0xF2, 0xFA).end is SwitchEnd.VERIFIED
    assert expander.writes == [(OUT, 0xFA)]


def test_leds_hub_and_alert_are_kept(hat: ClusterHat, expander: Expander) -> None:
    expander.registers |= {OUT: 0x31, DIR: 0x80}  # as the HAT's own tool left them
    assert hat.read(None) == PortReading(value=0x31, known=0xFF)
    assert switch(hat, 0x31, 0x30).end is SwitchEnd.VERIFIED
    assert (expander.registers[OUT], expander.registers[DIR]) == (0x30, 0x80)


def test_a_hat_on_another_bus() -> None:
    wire = FakeBus(0)
    wire.chips[0x20] = Expander()
    hat = clusterhat.spec.build(9, Stack(driver="clusterhat", bus=0), Resources(buses={0: patient(wire)}))
    assert hat.lane == "i2c-0"
    with pytest.raises(DriverError, match="no I2C bus 1"):
        clusterhat.spec.build(9, Stack(driver="clusterhat"), Resources(buses={0: patient(wire)}))


def test_a_first_command_on_a_noisy_wire_powers_nobody_else() -> None:
    unsure = 0
    for seed in range(60):
        bus = FakeBus(1, FakeClock())
        bus.chips[0x20] = chip = Expander()
        bus.noise = Noise(rng=random.Random(seed), nack=0.1, flip=0.2)
        hat = ClusterHat(patient(bus), 0x20, 10.0)
        result = switch(hat, 0xF0, 0xF2, deadline_s=30.0, clock=bus.clock)
        if result.end is SwitchEnd.UNVERIFIED:  # noise that looked like a change: the next poll settles it
            assert result.code == "port_unsure"
            unsure += 1
            continue
        assert result.end is SwitchEnd.VERIFIED
        assert chip.registers[OUT] == 0xF2
        assert chip.registers[DIR] & 0x0F == 0
    assert unsure <= 3


# --- the registry -------------------------------------------------------------------------------------


def test_the_projects_own_drivers_are_found() -> None:
    assert {"stack", "gpio_relay", "clusterhat", "command"} <= registry.find().keys()
    assert registry.find()["stack"] is stack.spec


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


def test_a_broken_driver_from_outside_harms_no_other() -> None:
    drivers = registry.gather(
        [
            point("gone", "no_such_module_anywhere:spec"),
            point("odd", "graped.hardware.drivers.stack:StackPort"),
            point("stack", "graped.hardware.drivers.stack:spec"),
        ]
    )
    assert drivers.specs == {"stack": stack.spec}
    assert set(drivers.broken) == {"gone", "odd"}
    assert "ModuleNotFoundError" in drivers.broken["gone"]
    assert "not a DriverSpec" in drivers.broken["odd"]


def test_nobody_from_outside_replaces_a_driver_of_the_project() -> None:
    outside = point("stack", "a_package.of_somebody:spec")
    own = point("stack", "graped.hardware.drivers.stack:spec")
    drivers = registry.gather([outside, own])
    assert (drivers.specs["stack"], drivers.broken) == (stack.spec, {})


def test_a_driver_from_outside_is_used() -> None:
    assert registry.gather([point("hat", "graped.hardware.drivers.clusterhat:spec")]).specs == {"hat": clusterhat.spec}
    assert isinstance(clusterhat.spec, DriverSpec)
