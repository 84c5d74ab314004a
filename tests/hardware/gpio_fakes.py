"""GPIO that behaves: pins with a function, an output latch and whatever the outside puts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from graped.errors import PinError
from graped.hardware.protocols import Edge, Function


@dataclass
class Pin:
    function: Function = Function.INPUT
    latch: bool = False
    outside: bool = False
    driven: list[bool] = field(default_factory=list)  # every level the pin ever drove, in order

    @property
    def level(self) -> bool:
        return self.latch if self.function is Function.OUTPUT else self.outside

    def drive(self, function: Function, latch: bool) -> None:
        before = self.level if self.function is Function.OUTPUT else None
        self.function, self.latch = function, latch
        if function is Function.OUTPUT and before != latch:
            self.driven.append(latch)


class FakeGpio:
    """The Gpio protocol over such pins. ``log`` has every call that is more than a look."""

    def __init__(self, pins: dict[int, Pin], *, keeps: bool = True) -> None:
        self.pins = pins
        self.keeps = keeps
        self.log: list[tuple[Any, ...]] = []
        self.watchers: dict[int, Callable[[], None]] = {}
        self.claimed: set[int] = set()
        self.unseen: set[int] = set()  # outputs of whose level nothing is told before they are claimed

    def function(self, pin: int) -> Function:
        return Function.UNSEEN if pin in self.unseen - self.claimed else self.pins[pin].function

    def level(self, pin: int) -> bool:
        return self.pins[pin].level

    def claim_output(self, pin: int, level: bool) -> None:
        self.log.append(("claim", pin, level))
        self.claimed.add(pin)
        self.pins[pin].drive(Function.OUTPUT, level)

    def write(self, pin: int, level: bool) -> None:
        if pin not in self.claimed:
            raise PinError(f"GPIO {pin} was never claimed")
        self.log.append(("write", pin, level))
        self.pins[pin].drive(Function.OUTPUT, level)

    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
        self.watchers[pin] = seen

    def keeps_outputs(self) -> bool:
        return self.keeps

    def close(self) -> None:
        self.watchers.clear()


class KernelError(Exception):
    """What lgpio raises."""


def fake_module(pins: dict[int, Pin], *, kernel: bool = False, edges: bool = True) -> Any:
    """Make a module with RPi.GPIO's words over such pins; ``kernel`` = as rpi-lgpio is built."""
    watched: dict[int, tuple[int, Callable[[int], None]]] = {}
    module = SimpleNamespace(
        BCM=11, IN=1, OUT=0, PUD_UP=22, RISING=31, FALLING=32, BOTH=33, mode=None, pulls={}, watched=watched
    )
    if kernel:
        module.lgpio = SimpleNamespace(error=KernelError)

    def setmode(mode: int) -> None:
        module.mode = mode

    def setup(pin: int, direction: int, pull_up_down: int | None = None, initial: int | None = None) -> None:
        if pins[pin].function is Function.OTHER:
            raise KernelError("GPIO busy") if kernel else RuntimeError("busy")
        if direction == module.OUT:
            pins[pin].drive(Function.OUTPUT, bool(initial))
        else:
            pins[pin].function = Function.INPUT
            module.pulls[pin] = pull_up_down

    def output(pin: int, level: int) -> None:
        if pins[pin].function is not Function.OUTPUT:
            raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
        pins[pin].drive(Function.OUTPUT, bool(level))

    def add_event_detect(pin: int, edge: int, callback: Callable[[int], None]) -> None:
        if not edges:
            raise RuntimeError("Failed to add edge detection")
        watched[pin] = (edge, callback)

    module.setmode, module.setup, module.output = setmode, setup, output
    module.input = lambda pin: int(pins[pin].level)
    module.setwarnings = lambda value: None
    module.add_event_detect = add_event_detect
    module.remove_event_detect = lambda pin: watched.pop(pin)
    return module  # without cleanup: calling it would fail the test


class FakeView:
    """PinView over such pins, as registers show them."""

    sees_claimed = True

    def __init__(self, pins: dict[int, Pin]) -> None:
        self.pins = pins

    def function(self, pin: int) -> Function:
        return self.pins[pin].function

    def level(self, pin: int) -> bool:
        return self.pins[pin].level
