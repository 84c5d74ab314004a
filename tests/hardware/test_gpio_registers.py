"""Looking at pins through the controllers' registers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import PinError
from graped.hardware import gpio_registers as registers
from graped.hardware.gpio_registers import BcmPins, Rp1Pins, open_pins
from graped.hardware.protocols import Function

pin_numbers = st.integers(0, 27)


@given(pin_numbers, st.integers(0, 7), st.integers(0, 2**30 - 1), st.booleans())
def test_bcm_function_and_level(pin: int, code: int, others: int, level: bool) -> None:
    shift = 3 * (pin % 10)
    words = {4 * (pin // 10): others & ~(7 << shift) | code << shift, 0x34: level << pin}
    view = BcmPins(words.__getitem__)
    expected = {0: Function.INPUT, 1: Function.OUTPUT}.get(code, Function.OTHER)
    assert (view.function(pin), view.level(pin)) == (expected, level)


@given(pin_numbers, st.integers(0, 31), st.booleans(), st.booleans())
def test_rp1_function_and_level(pin: int, code: int, enabled: bool, level: bool) -> None:
    words = {4 + 8 * pin: 0xFFE0 | code, 0x10004: enabled << pin, 0x10008: level << pin}
    view = Rp1Pins(words.__getitem__)
    software = Function.OUTPUT if enabled else Function.INPUT
    assert (view.function(pin), view.level(pin)) == (software if code == 5 else Function.OTHER, level)


def test_a_mapped_device_is_read_word_by_word_and_never_written(tmp_path: Path) -> None:
    device = tmp_path / "gpiomem"
    words = bytearray(registers.BCM_BYTES)
    struct.pack_into("<I", words, 0x04, 0b001 << 3 * 2)  # GPFSEL1: GPIO 12 is an output
    struct.pack_into("<I", words, 0x34, 1 << 12)
    device.write_bytes(words)
    device.chmod(0o444)
    view = open_pins(bcm=device, rp1=tmp_path / "none")
    assert (view.function(12), view.level(12), view.level(13)) == (Function.OUTPUT, True, False)
    assert device.read_bytes() == words


def test_the_newer_controller_is_preferred(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(bytes(registers.BCM_BYTES))
    (tmp_path / "new").write_bytes(bytes(registers.RP1_BYTES))
    assert isinstance(open_pins(bcm=tmp_path / "old", rp1=tmp_path / "new"), Rp1Pins)


def test_no_controller_is_a_pin_error(tmp_path: Path) -> None:
    with pytest.raises(PinError, match="no /dev/gpiomem"):
        open_pins(bcm=tmp_path / "a", rp1=tmp_path / "b")


def test_a_device_that_cannot_be_mapped_is_a_pin_error(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"")
    with pytest.raises(PinError, match="cannot map"):
        open_pins(bcm=tmp_path / "short", rp1=tmp_path / "none")
