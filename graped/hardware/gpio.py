"""GPIO lines through the ``RPi.GPIO`` module, which two packages provide.

*RPi.GPIO* writes the controller's registers: a pin keeps its level when the process ends. *rpi-lgpio* claims
lines from the kernel, which may let them go then. ``cleanup`` is never called: it would switch relays.

Sources: RPi.GPIO 0.7.1 ``py_gpio.c`` and rpi-lgpio 0.6 for the order of calls; Linux
``pinctrl-bcm2835.c`` and ``pinctrl-rp1.c`` for ``persist_gpio_outputs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graped.errors import PinError
from graped.hardware.gpio_registers import HEADER_PINS, PinView, open_pins
from graped.hardware.protocols import Edge, Function

BOARD_INPUTS = frozenset({17, 27})  # display interrupt, over-temperature: driving them can switch stacks on
PERSIST = (
    "module/pinctrl_bcm2835/parameters/persist_gpio_outputs",
    "module/pinctrl_rp1/parameters/persist_gpio_outputs",
)
YES = ("Y", "y", "1")


class RpiGpio:
    """The pins of this Raspberry Pi, by BCM number.

    ``module`` is ``RPi.GPIO`` (of either package), ``view`` reads pins without claiming them.
    """

    def __init__(
        self,
        module: Any,
        view: PinView,
        *,
        inputs_only: frozenset[int] = BOARD_INPUTS,
        sys_path: Path = Path("/sys"),
    ) -> None:
        self._module = module
        self._view = view
        self._inputs_only = inputs_only
        self._sys_path = sys_path
        self._kernel = getattr(module, "lgpio", None)  # rpi-lgpio is a layer over this module
        self._watched: set[int] = set()
        with self._asking("set up GPIO", "Check that this user may use GPIO (group gpio)."):
            module.setwarnings(False)
            module.setmode(module.BCM)

    def function(self, pin: int) -> Function:
        """Tell what a pin is set to, without changing it."""
        return self._view.function(_header(pin))

    def level(self, pin: int) -> bool:
        """Tell the level on a pin, without changing it."""
        return self._view.level(_header(pin))

    def claim_output(self, pin: int, level: bool) -> None:
        """Make a pin an output whose first level is ``level``."""
        if _header(pin) in self._inputs_only:
            raise PinError(
                f"GPIO {pin} is an interrupt line of the Grape board and is never driven",
                hint="Use another pin, or free this one under [gpio].",
            )
        with self._asking(f"make GPIO {pin} an output", "Another program may hold the line: see gpioinfo."):
            self._module.setup(pin, self._module.OUT, initial=int(level))

    def write(self, pin: int, level: bool) -> None:
        """Set the level of a claimed output."""
        with self._asking(f"set GPIO {pin}"):
            self._module.output(_header(pin), int(level))

    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
        """Make a pin an input with pull-up (the lines are open drain) and call ``seen`` at each edge."""
        module = self._module
        edges = {Edge.RISING: module.RISING, Edge.FALLING: module.FALLING, Edge.BOTH: module.BOTH}
        hint = "RPi.GPIO cannot watch pins on kernels from 6.6 on: install grape[gpio-lgpio] instead of grape[gpio]."
        with self._asking(f"watch GPIO {_header(pin)}", hint):
            module.setup(pin, module.IN, pull_up_down=module.PUD_UP)
            module.add_event_detect(pin, edges[edge], callback=lambda _pin: seen())
        self._watched.add(pin)

    def keeps_outputs(self) -> bool:
        """Whether outputs keep their level when the process that claimed them ends; False where unknown."""
        if self._kernel is None:
            return True
        told = [path.read_text().strip() for name in PERSIST if (path := self._sys_path / name).is_file()]
        return bool(told) and all(word in YES for word in told)

    def close(self) -> None:
        """Stop watching; every pin stays as it is."""
        for pin in sorted(self._watched):
            with self._asking(f"stop watching GPIO {pin}"):
                self._module.remove_event_detect(pin)
        self._watched.clear()

    @contextmanager
    def _asking(self, action: str, hint: str = "") -> Iterator[None]:
        """Turn what either package raises into a PinError."""
        errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, OSError)
        if self._kernel is not None:
            errors = (*errors, self._kernel.error)
        try:
            yield
        except errors as error:
            raise PinError(f"cannot {action}: {error}", hint=hint) from error


def open_gpio(inputs_only: frozenset[int] = BOARD_INPUTS) -> RpiGpio:
    """Open this machine's GPIO; raise PinError with what to install where there is none."""
    return RpiGpio(_import_module(), open_pins(), inputs_only=inputs_only)


def _import_module() -> Any:
    try:
        from RPi import GPIO
    except ImportError as error:
        raise PinError(
            f"the module RPi.GPIO is not installed ({error})",
            hint="Install grape[gpio-lgpio] (Pi 5, or kernel 6.6 and later) or grape[gpio], never both.",
        ) from error
    except RuntimeError as error:  # raised by both packages on a machine that is not a Pi
        raise PinError(
            f"GPIO cannot be used here: {error}", hint="Run graped on a Raspberry Pi, or use --simulate."
        ) from error
    return GPIO


def _header(pin: int) -> int:
    if pin not in HEADER_PINS:
        raise PinError(f"GPIO {pin} is not on the header", hint="Use BCM numbers 0 to 27.")
    return pin
