"""Power driver for relay boards on GPIO pins (PiRack and the like).

One relay switches one slot (``pins``: slot -> BCM) or all the slots of a stack (``pin`` and ``slots``); slots that
name the same pin share it too. Building and reading only look: a pin keeps its function and level until somebody
switches a slot behind it.

A pin that is still an input drives nothing, so nobody can say what the relay behind it does, nor of an output that
cannot be looked at: its slots are *unknown* until the first power command. Their bits are reported with the "off"
level and are not in ``known``.
``write`` changes exactly the bits in which ``base`` and ``value`` differ; to switch an unknown slot off, give the
opposite of the wanted level in ``base``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, assert_never

from graped.config.types import DriverSpec, Stack
from graped.errors import DriverError, PinError
from graped.hardware.gpio_registers import HEADER_PINS
from graped.hardware.protocols import Function, Gpio
from graped.model import PortLayout, PortReading

SLOTS = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Either ``pins`` (slot -> BCM pin) or ``pin`` (one relay for all ``slots``)."""

    pins: dict[int, int] = field(default_factory=dict)
    pin: int | None = None
    slots: tuple[int, ...] = tuple(SLOTS)  # behind ``pin``
    active_low: bool = True  # most relay boards: low = relay on
    accept_power_loss: bool = False  # go on where pins fall back to inputs when graped ends

    def __post_init__(self) -> None:
        """Refuse what no board can be wired like, with everything that is wrong."""
        problems = [
            *_outside("slot", SLOTS, [*self.pins, *self.slots]),
            *_outside("BCM pin", HEADER_PINS, list(self.wiring.values())),
        ]
        if bool(self.pins) == (self.pin is not None):
            problems.append("give either pins (slot = pin) or one pin for all slots")
        if not self.slots or len(set(self.slots)) != len(self.slots):
            problems.append("slots must name at least one slot, each once")
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def wiring(self) -> dict[int, int]:
        """Which pin switches which slot."""
        if self.pin is not None:
            return dict.fromkeys(sorted(self.slots), self.pin)
        return dict(sorted(self.pins.items()))


class Resources(Protocol):
    """What this driver needs of the daemon."""

    @property
    def gpio(self) -> Gpio | None: ...


class GpioRelay:
    """The relays of one stack: bit n of the port is the n-th different pin."""

    lane = "gpio"

    def __init__(self, gpio: Gpio, options: Options) -> None:
        self._gpio = gpio
        self._pins = tuple(dict.fromkeys(options.wiring.values()))
        self._claimed: set[int] = set()
        bits = {slot: self._pins.index(pin) for slot, pin in options.wiring.items()}
        # reset is None: pins that fell back to inputs look the same after an outage and after a clean reboot
        self.layout = PortLayout(bits=bits, active_low=options.active_low, width=len(self._pins))

    def read(self, verified: int | None) -> PortReading:
        """Look at all pins. ``verified`` is not needed: a register has no line noise."""
        value = known = 0
        for bit, pin in enumerate(self._pins):
            if self._gpio.function(pin) is Function.OUTPUT:
                known |= 1 << bit
                value |= self._gpio.level(pin) << bit
            else:
                value |= self.layout.active_low << bit
        return PortReading(value=value, known=known)

    def write(self, base: int, value: int) -> None:
        """Switch the pins whose bits differ between ``base`` and ``value``; no other pin is touched."""
        changes = {pin: bool(value >> bit & 1) for bit, pin in enumerate(self._pins) if (base ^ value) >> bit & 1}
        functions = {pin: self._gpio.function(pin) for pin in changes}
        for pin, function in functions.items():
            if function is Function.OTHER:  # found out before anything is switched
                raise PinError(
                    f"GPIO {pin} is neither input nor output: something else uses it",
                    hint="Look for an overlay or another program on this pin (pinctrl get).",
                )
        for pin, level in changes.items():
            self._switch(pin, functions[pin], level)

    def _switch(self, pin: int, function: Function, level: bool) -> None:
        match function:
            case Function.INPUT | Function.UNSEEN:
                self._gpio.claim_output(pin, level)  # straight to the level asked for
            case Function.OUTPUT:
                if pin not in self._claimed:
                    self._gpio.claim_output(pin, self._gpio.level(pin))
                self._gpio.write(pin, level)
            case Function.OTHER:
                raise AssertionError("refused before")
            case _:
                assert_never(function)
        self._claimed.add(pin)


def build(key: int, stack: Stack, resources: Resources) -> GpioRelay:
    """Make the driver of one stack; raise DriverError as ``check`` does."""
    options = stack.options
    assert isinstance(options, Options)
    return GpioRelay(check(options, resources.gpio), options)


def check(options: Options, gpio: Gpio | None) -> Gpio:
    """Give the GPIO to use; raise DriverError where there is none, or where relays would not stay as they are."""
    if gpio is None:
        raise DriverError(
            "relays need GPIO, and this machine has none",
            hint="Install grape[gpio-lgpio] or grape[gpio] on a Raspberry Pi.",
        )
    if not (options.accept_power_loss or gpio.keeps_outputs()):
        raise DriverError(
            "relays would let go whenever graped ends, because the kernel frees its lines",
            hint="Boot with pinctrl_bcm2835.persist_gpio_outputs=1 (pinctrl_rp1 on a Pi 5), "
            "or set accept_power_loss = true.",
        )
    return gpio


def _slots(options: Options) -> frozenset[int]:
    return frozenset(options.wiring)


def _pins(options: Options) -> dict[str, int]:
    """Name each pin once, by the first option that names it."""
    if options.pin is not None:
        return {"pin": options.pin}
    first = {pin: f"pins.{slot}" for slot, pin in reversed(options.wiring.items())}
    return {path: pin for pin, path in reversed(first.items())}


def _outside(what: str, allowed: range, found: list[int]) -> list[str]:
    wrong = sorted({number for number in found if number not in allowed})
    return [f"{what} {number} is not in {allowed.start} to {allowed.stop - 1}" for number in wrong]


def _groups(options: Options) -> tuple[frozenset[int], ...]:
    found: dict[int, set[int]] = {}
    for slot, pin in options.wiring.items():
        found.setdefault(pin, set()).add(slot)
    return tuple(frozenset(slots) for slots in found.values() if len(slots) > 1)


spec = DriverSpec(options=Options, slots=_slots, pins=_pins, groups=_groups, build=build)
