"""Lines of the kernel: what is told of them, and what is not asked because asking would let a line go."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graped.errors import PinError
from graped.hardware.gpio import RpiGpio
from graped.hardware.gpio_lines import (
    CHIPINFO,
    GET_CHIPINFO,
    GET_LINE,
    GET_LINEINFO,
    GET_VALUES,
    LINE_REQUEST,
    LINEINFO,
    VALUES,
    Flag,
    LinePins,
    header_chip,
)
from graped.hardware.protocols import Edge, Function
from tests.hardware.gpio_fakes import Pin, fake_module


@dataclass
class Kernel:
    """A GPIO chip as the kernel shows it. A line that is let go of becomes an input, unless ``persists``."""

    pins: dict[int, Pin]
    label: str = "pinctrl-bcm2711"
    persists: bool = True
    held: set[int] = field(default_factory=set)
    lines: dict[int, int] = field(default_factory=dict)  # descriptor -> pin

    def ioctl(self, descriptor: int, request: int, data: bytearray) -> None:
        match request:
            case _ if request == GET_CHIPINFO:
                CHIPINFO.pack_into(data, 0, b"gpiochip0", self.label.encode(), 28)
            case _ if request == GET_LINEINFO:
                pin = LINEINFO.unpack(data)[2]
                flags = Flag.USED * (pin in self.held) | Flag.OUTPUT * (self.pins[pin].function is Function.OUTPUT)
                LINEINFO.pack_into(data, 0, b"", b"", pin, 0, flags)
            case _ if request == GET_LINE:
                pin, consumer, flags, count, buffer, _ = LINE_REQUEST.unpack(data)
                if pin in self.held:
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
                assert flags == 0, "only as it is: anything else would change it"
                line = os.open("/dev/null", os.O_RDONLY)
                self.lines[line] = pin
                LINE_REQUEST.pack_into(data, 0, pin, consumer, flags, count, buffer, line)
                if not self.persists:
                    self.pins[pin].function = Function.INPUT  # as soon as it is closed
            case _ if request == GET_VALUES:
                VALUES.pack_into(data, 0, int(self.pins[self.lines[descriptor]].level), 1)
            case _:
                raise AssertionError(hex(request))


@pytest.fixture
def device(tmp_path: Path) -> Path:
    chip = tmp_path / "gpiochip0"
    chip.touch()
    return chip


def view(device: Path, kernel: Kernel) -> LinePins:
    return LinePins(device, lambda: kernel.persists, kernel.ioctl)


def output(level: bool) -> Pin:
    return Pin(function=Function.OUTPUT, latch=level)


def test_the_structures_are_as_long_as_the_kernels() -> None:
    """The size is in the number of each request (linux/ioctl.h)."""
    for request, layout in (
        (GET_CHIPINFO, CHIPINFO),
        (GET_LINEINFO, LINEINFO),
        (GET_LINE, LINE_REQUEST),
        (GET_VALUES, VALUES),
    ):
        assert request >> 16 & 0x3FFF == layout.size


@pytest.mark.parametrize("level", [True, False])
def test_outputs_that_stay_are_looked_at_as_they_are(device: Path, level: bool) -> None:
    kernel = Kernel(pins={5: output(level), 6: Pin(outside=level)})
    pins = view(device, kernel)
    assert (pins.function(5), pins.level(5)) == (Function.OUTPUT, level)
    assert (pins.function(6), pins.level(6)) == (Function.INPUT, level)
    assert kernel.pins == {5: output(level), 6: Pin(outside=level)}
    for line in kernel.lines:  # let go of at once
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(line)


def test_an_output_that_a_look_would_let_go_is_not_looked_at(device: Path) -> None:
    kernel = Kernel(pins={5: output(True)}, persists=False)
    pins = view(device, kernel)
    assert pins.function(5) is Function.UNSEEN
    with pytest.raises(PinError, match="who holds it"):
        pins.level(5)
    assert kernel.pins == {5: output(True)}


def test_a_line_that_somebody_holds_is_nobody_elses(device: Path) -> None:
    kernel = Kernel(pins={5: output(True)}, held={5})
    assert view(device, kernel).function(5) is Function.OTHER
    with pytest.raises(PinError, match="who holds it"):
        view(device, kernel).level(5)


def test_our_own_lines_are_asked_of_the_module(device: Path) -> None:
    pins = {5: output(True), 27: Pin(outside=True)}
    kernel = Kernel(pins=pins, persists=False)
    gpio = RpiGpio(fake_module(pins, kernel=True), view(device, kernel))
    assert gpio.function(5) is Function.UNSEEN
    gpio.claim_output(5, False)
    gpio.watch(27, Edge.BOTH, lambda: None)
    kernel.held = {5, 27}
    assert (gpio.function(5), gpio.level(5)) == (Function.OUTPUT, False)
    assert (gpio.function(27), gpio.level(27)) == (Function.INPUT, True)
    gpio.write(5, True)
    assert gpio.level(5) is True


def test_the_headers_chip_is_known_by_its_label(tmp_path: Path) -> None:
    kernels = {
        f"gpiochip{number}": Kernel(pins={}, label=label)
        for number, label in enumerate(("raspberrypi-exp-gpio", "pinctrl-rp1"))
    }
    for name in kernels:
        (tmp_path / name).touch()

    def ioctl(descriptor: int, request: int, data: bytearray) -> None:
        kernels[Path(os.readlink(f"/proc/self/fd/{descriptor}")).name].ioctl(descriptor, request, data)

    assert header_chip(tmp_path, ioctl) == tmp_path / "gpiochip1"
    kernels["gpiochip1"].label = "gpio-mockup-A"
    assert header_chip(tmp_path, ioctl) is None


def test_a_chip_that_may_not_be_opened_is_told(tmp_path: Path, refuse: Callable[[Path], None]) -> None:
    (tmp_path / "gpiochip0").touch()
    refuse(tmp_path / "gpiochip0")
    with pytest.raises(PinError, match="Permission denied") as caught:
        header_chip(tmp_path, Kernel(pins={}).ioctl)
    assert "group gpio" in caught.value.hint


def test_no_chip_at_all_and_what_only_looks_like_one(tmp_path: Path) -> None:
    assert header_chip(tmp_path) is None
    (tmp_path / "gpiochip0").touch()  # ENOTTY
    assert header_chip(tmp_path) is None


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have a file refused also to root."""
    real = os.open

    def refused(path: Path) -> None:
        def open_or_not(file: Path, *arguments: int, **others: int) -> int:
            if Path(file) == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
            return real(file, *arguments, **others)

        monkeypatch.setattr(os, "open", open_or_not)

    return refused
