"""Relays on GPIO pins: nothing moves before somebody asks, and then only what was asked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.config.types import Stack
from graped.core import port
from graped.core.events import SwitchEnd
from graped.errors import DriverError, PinError
from graped.hardware import switching
from graped.hardware.drivers.gpio_relay import GpioRelay, Options, spec
from graped.hardware.protocols import Function, Gpio
from graped.model import PortReading, Power
from tests.hardware.gpio_fakes import FakeGpio, Pin


@dataclass
class Resources:
    gpio: Gpio | None


def build(gpio: Gpio | None, options: Options) -> GpioRelay:
    driver = spec.build(3, Stack(driver="gpio_relay", options=options), Resources(gpio))
    assert isinstance(driver, GpioRelay)
    return driver


def output(level: bool) -> Pin:
    return Pin(function=Function.OUTPUT, latch=level)


def test_one_pin_a_slot() -> None:
    options = Options(pins={0: 5, 2: 6, 1: 13})
    assert build(FakeGpio({}), options).layout.bits == {0: 0, 1: 1, 2: 2}
    assert spec.slots(options) == {0, 1, 2}
    assert spec.pins(options) == {"pins.0": 5, "pins.1": 13, "pins.2": 6}


def test_one_relay_for_a_whole_stack() -> None:
    options = Options(pin=5, slots=(0, 1, 2, 3))
    layout = build(FakeGpio({}), options).layout
    assert layout.bits == dict.fromkeys(range(4), 0)
    assert layout.width == 1
    assert spec.pins(options) == {"pin": 5}
    assert spec.groups(options) == (spec.slots(options),)


def test_slots_that_name_one_pin_share_its_bit_and_its_claim() -> None:
    options = Options(pins={0: 5, 1: 6, 2: 5})
    assert build(FakeGpio({}), options).layout.bits == {0: 0, 1: 1, 2: 0}
    assert spec.pins(options) == {"pins.0": 5, "pins.1": 6}
    assert spec.groups(options) == (frozenset({0, 2}),)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"pins": {0: 5}, "pin": 6},
        {"pins": {6: 5}},
        {"pins": {0: 28}},
        {"pin": 5, "slots": ()},
        {"pin": 5, "slots": (1, 1)},
        {"pin": 5, "slots": (0, 9)},
    ],
)
def test_impossible_wiring_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"pin|slot"):
        Options(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("active_low", [True, False])
def test_outputs_are_read_and_inputs_are_unknown(active_low: bool) -> None:
    on_level = not active_low
    gpio = FakeGpio({5: output(on_level), 6: output(not on_level), 13: Pin(outside=on_level)})
    driver = build(gpio, Options(pins={0: 5, 1: 6, 2: 13}, active_low=active_low))
    reading = driver.read(None)
    assert port.powers(driver.layout, reading) == {0: Power.ON, 1: Power.OFF, 2: Power.UNKNOWN}
    assert gpio.log == []


def test_a_found_output_is_claimed_with_its_level_before_it_is_switched() -> None:
    gpio = FakeGpio({5: output(True), 6: output(True)})
    driver = build(gpio, Options(pins={0: 5, 1: 6}))
    driver.write(0b11, 0b10)
    assert gpio.log == [("claim", 5, True), ("write", 5, False)]
    driver.write(0b10, 0b11)
    assert gpio.log[2:] == [("write", 5, True)]


def test_an_input_becomes_an_output_by_a_command_alone_and_without_a_glitch() -> None:
    gpio = FakeGpio({5: Pin(outside=True), 6: Pin()})
    driver = build(gpio, Options(pins={0: 5, 1: 6}))
    base = driver.read(None).value
    driver.write(base, port.encode(driver.layout, base, {0: True}))
    assert gpio.pins[5].driven == [False]
    assert gpio.pins[6] == Pin()
    assert driver.read(None) == PortReading(value=0b10, known=0b01)


def test_an_output_that_cannot_be_looked_at_is_unknown_until_it_is_switched() -> None:
    gpio = FakeGpio({5: output(True), 6: output(True)})
    gpio.unseen = {5, 6}
    driver = build(gpio, Options(pins={0: 5, 1: 6}, accept_power_loss=True))
    assert driver.read(None) == PortReading(value=0b11, known=0)
    driver.write(0b11, 0b10)
    assert gpio.log == [("claim", 5, False)]  # straight to what was asked for
    assert driver.read(None) == PortReading(value=0b10, known=0b01)


def test_an_unknown_slot_can_be_switched_off_by_saying_so_in_base() -> None:
    gpio = FakeGpio({5: Pin(), 6: Pin()})
    driver = build(gpio, Options(pins={0: 5, 1: 6}))
    driver.write(0b10, 0b11)
    assert (gpio.pins[5].driven, gpio.pins[6]) == ([True], Pin())


def test_a_pin_used_by_something_else_stops_the_write_before_it_begins() -> None:
    gpio = FakeGpio({5: output(True), 6: Pin(function=Function.OTHER)})
    driver = build(gpio, Options(pins={0: 5, 1: 6}))
    with pytest.raises(PinError, match="GPIO 6"):
        driver.write(0b11, 0b00)
    assert gpio.log == []


def test_an_output_that_does_not_follow_reads_back_as_it_is() -> None:
    class Stuck(Pin):
        @property
        def level(self) -> bool:
            return True

    gpio = FakeGpio({5: Stuck(function=Function.OUTPUT, latch=True)})
    driver = build(gpio, Options(pins={0: 5}))
    driver.write(1, 0)
    assert not port.equal(driver.read(0), 0)


def test_relays_that_would_let_go_are_refused_unless_accepted() -> None:
    gpio = FakeGpio({5: Pin()}, keeps=False)
    with pytest.raises(DriverError) as caught:
        build(gpio, Options(pins={0: 5}))
    assert "accept_power_loss" in caught.value.hint
    assert build(gpio, Options(pins={0: 5}, accept_power_loss=True)).lane == "gpio"


def test_no_gpio_is_a_driver_error_with_a_hint() -> None:
    with pytest.raises(DriverError, match="relays need GPIO") as caught:
        build(None, Options(pins={0: 5}))
    assert caught.value.hint


@pytest.mark.parametrize("on", [True, False])
def test_a_slot_never_switched_before_is_switched_and_verified(on: bool) -> None:
    """The core gives the opposite of what it wants as base of an unknown bit; switching hands that on."""
    gpio = FakeGpio({5: Pin(), 6: Pin()})
    driver = build(gpio, Options(pins={0: 5, 1: 6}))
    value = port.encode(driver.layout, driver.read(None).value, {0: on})
    assert switching.switch(driver, value ^ 0b01, value).end is SwitchEnd.VERIFIED
    assert (gpio.pins[5].driven, gpio.pins[6]) == ([not on], Pin())


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"slot 7 .*BCM pin 99 .*each once"):
        Options(pins={7: 99}, slots=(0, 0))


PINS = (4, 5, 6, 12, 13, 16)
commands = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20)


@given(
    st.lists(st.builds(Pin, st.sampled_from([Function.INPUT, Function.OUTPUT]), st.booleans(), st.booleans()),
             min_size=6, max_size=6),
    st.booleans(),
    commands,
)  # fmt: skip
def test_no_pin_moves_that_nobody_named(found: list[Pin], active_low: bool, asked: list[tuple[int, bool]]) -> None:
    gpio = FakeGpio(dict(zip(PINS, found, strict=True)))
    before = {pin: (each.function, each.level) for pin, each in gpio.pins.items()}
    driver = build(gpio, Options(pins=dict(enumerate(PINS)), active_low=active_low))
    for slot, on in asked:
        reading = driver.read(None)
        goal = port.encode(driver.layout, reading.value, {slot: on})
        mask = ~reading.known & 1 << driver.layout.bits[slot]
        driver.write(reading.value & ~mask | ~goal & mask, goal)
        assert port.decode(driver.layout, driver.read(None), slot) is (Power.ON if on else Power.OFF)
    for slot, pin in enumerate(PINS):
        levels = [on is not active_low for named, on in asked if named == slot]
        if not levels:
            assert (gpio.pins[pin].function, gpio.pins[pin].level) == before[pin]
        assert set(gpio.pins[pin].driven) <= set(levels)  # never a level in between
