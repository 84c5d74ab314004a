"""A GPIO chip that is not there yet is asked for again, at growing intervals."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from graped.errors import PinError
from graped.hardware.late_gpio import LateGpio
from graped.hardware.protocols import Edge, Function


class Pins:
    """One pin that is an output and high."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bool]] = []
        self.closed = False

    def function(self, pin: int) -> Function:
        return Function.OUTPUT

    def level(self, pin: int) -> bool:
        return True

    def claim_output(self, pin: int, level: bool) -> None:
        self.written.append((pin, level))

    def write(self, pin: int, level: bool) -> None:
        self.written.append((pin, level))

    def watch(self, pin: int, edge: Edge, seen) -> None:
        seen()

    def keeps_outputs(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


class Machine:
    """A machine whose GPIO driver is loaded at ``loads_at``; ``opened`` are the moments somebody asked."""

    def __init__(self, loads_at: float) -> None:
        self.now = 0.0
        self.loads_at = loads_at
        self.opened: list[float] = []
        self.pins = Pins()

    def open_gpio(self) -> Pins:
        self.opened.append(self.now)
        if self.now < self.loads_at:
            raise PinError("there is no GPIO chip", hint="load its driver")
        return self.pins


def test_a_missing_chip_costs_little_and_is_found_when_it_comes() -> None:
    machine = Machine(loads_at=60.0)
    gpio = LateGpio(machine.open_gpio, clock=lambda: machine.now, retry_max_s=10.0)
    while machine.now < 60.0:
        with pytest.raises(PinError, match="no GPIO chip") as caught:
            gpio.level(4)
        assert caught.value.hint == "load its driver"
        machine.now += 0.5
    gaps = [later - earlier for earlier, later in zip(machine.opened, machine.opened[1:], strict=False)]
    assert gaps[:4] == [1.0, 2.0, 4.0, 8.0]
    assert set(gaps[4:]) == {10.0}
    machine.now = 75.0
    assert gpio.level(4) is True
    asked = len(machine.opened)
    gpio.claim_output(4, True)
    gpio.write(4, False)
    assert gpio.function(4) is Function.OUTPUT
    assert gpio.keeps_outputs()
    seen: list[int] = []
    gpio.watch(17, Edge.BOTH, lambda: seen.append(1))
    assert (machine.pins.written, seen, len(machine.opened)) == ([(4, True), (4, False)], [1], asked)
    gpio.close()
    assert machine.pins.closed


def test_closing_what_was_never_there_is_nothing() -> None:
    LateGpio(Machine(loads_at=1.0).open_gpio).close()


def test_threads_that_ask_at_once_open_it_once() -> None:
    machine = Machine(loads_at=0.0)
    together = threading.Barrier(4)

    def slowly() -> Pins:
        time.sleep(0.1)  # as long as an import
        return machine.open_gpio()

    gpio = LateGpio(slowly)

    def ask(pin: int) -> bool:
        together.wait()
        return gpio.level(pin)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [True] * 4
    assert len(machine.opened) == 1
