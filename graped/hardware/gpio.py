"""GPIO lines through the ``RPi.GPIO`` module, which two packages provide.

*RPi.GPIO* writes the controller's registers: a pin keeps its level when the process ends. *rpi-lgpio* claims
lines from the kernel, which may let them go then. ``cleanup`` is never called: it would switch relays.

Sources: RPi.GPIO 0.7.1 ``py_gpio.c`` and rpi-lgpio 0.6 for the order of calls; Linux
``pinctrl-bcm2835.c`` and ``pinctrl-rp1.c`` for ``persist_gpio_outputs``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graped.errors import PinError
from graped.hardware.gpio_lines import LinePins, header_chip
from graped.hardware.gpio_registers import BCM_DEVICE, HEADER_PINS, RP1_DEVICE, PinView, open_pins
from graped.hardware.protocols import Edge, Function

BOARD_INPUTS = frozenset({17, 27})  # display interrupt, over-temperature: driving them can switch stacks on
PERSIST = (
    "module/pinctrl_bcm2835/parameters/persist_gpio_outputs",
    "module/pinctrl_rp1/parameters/persist_gpio_outputs",
)
YES = ("Y", "y", "1")
CHIP_VARIABLE = "RPI_LGPIO_CHIP"  # of rpi-lgpio: the number of the chip, where it should not guess
FOLDER_VARIABLE = "LG_WD"  # of lgpio: the folder for its pipes


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
        self._claimed: dict[int, Function] = {}
        with self._asking("set up GPIO", "Check that this user may use GPIO (group gpio)."):
            module.setwarnings(False)
            module.setmode(module.BCM)

    def function(self, pin: int) -> Function:
        """Tell what a pin is set to, without changing it."""
        own = None if self._view.sees_claimed else self._claimed.get(pin)
        return self._view.function(_header(pin)) if own is None else own

    def level(self, pin: int) -> bool:
        """Tell the level on a pin, without changing it."""
        if self._view.sees_claimed or pin not in self._claimed:
            return self._view.level(_header(pin))
        with self._asking(f"read GPIO {pin}"):
            return bool(self._module.input(pin))

    def claim_output(self, pin: int, level: bool) -> None:
        """Make a pin an output whose first level is ``level``."""
        if _header(pin) in self._inputs_only:
            raise PinError(
                f"GPIO {pin} is an interrupt line of the Grape board and is never driven",
                hint="Use another pin, or free this one under [gpio].",
            )
        with self._asking(f"make GPIO {pin} an output", "Another program may hold the line: see gpioinfo."):
            self._module.setup(pin, self._module.OUT, initial=int(level))
        self._claimed[pin] = Function.OUTPUT

    def write(self, pin: int, level: bool) -> None:
        """Set the level of a claimed output."""
        with self._asking(f"set GPIO {pin}"):
            self._module.output(_header(pin), int(level))

    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
        """Make a pin an input with pull-up (the lines are open drain) and call ``seen`` at each edge."""
        module = self._module
        edges = {Edge.RISING: module.RISING, Edge.FALLING: module.FALLING, Edge.BOTH: module.BOTH}
        hint = "RPi.GPIO cannot watch pins with this kernel: install grape[gpio-lgpio] instead of grape[gpio]."
        with self._asking(f"watch GPIO {_header(pin)}", hint):
            module.setup(pin, module.IN, pull_up_down=module.PUD_UP)
            self._claimed[pin] = Function.INPUT
            module.add_event_detect(pin, edges[edge], callback=lambda _pin: seen())
        self._watched.add(pin)

    def keeps_outputs(self) -> bool:
        """Whether outputs keep their level when the process that claimed them ends; False where unknown."""
        return self._kernel is None or kernel_keeps_outputs(self._sys_path)

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
    chip, trouble = _choose_chip()
    module = _import_module()
    if trouble is not None and hasattr(module, "lgpio"):
        raise trouble
    return RpiGpio(module, _open_view(module, chip), inputs_only=inputs_only)


def kernel_keeps_outputs(sys_path: Path = Path("/sys")) -> bool:
    """Whether this kernel leaves a line as it is when its holder lets go of it; False where it does not say."""
    told = [path.read_text().strip() for name in PERSIST if (path := sys_path / name).is_file()]
    return bool(told) and all(word in YES for word in told)


def _choose_chip() -> tuple[Path | None, PinError | None]:
    """Find the header's chip, or what is in the way, and name it to rpi-lgpio, whose own guess is the first one."""
    named = os.environ.get(CHIP_VARIABLE)
    if named is not None:
        return Path(f"/dev/gpiochip{named}"), None
    try:
        chip = header_chip()
    except PinError as error:
        return None, error
    if chip is not None:
        os.environ[CHIP_VARIABLE] = chip.name.removeprefix("gpiochip")
    return chip, None


def _open_view(module: Any, chip: Path | None) -> PinView:
    """Look at pins through the controller's registers, else through the kernel's lines."""
    registers = BCM_DEVICE.exists() or RP1_DEVICE.exists()
    if registers or chip is None or not hasattr(module, "lgpio"):
        return open_pins()
    return LinePins(chip, kernel_keeps_outputs)


def _import_module() -> Any:
    try:
        with _pipes_out_of_the_way():
            from RPi import GPIO
    except ImportError as error:
        raise PinError(
            f"the module RPi.GPIO is not installed ({error})",
            hint="Install grape[gpio-lgpio]; or grape[gpio] with a kernel of Raspberry Pi OS before 6.6; never both.",
        ) from error
    except RuntimeError as error:  # raised by both packages on a machine that is not a Pi
        raise PinError(
            f"GPIO cannot be used here: {error}", hint="Run graped on a Raspberry Pi, or use --simulate."
        ) from error
    except OSError as error:
        raise PinError(f"the GPIO library cannot make its pipe: {error}", hint=f"Set {FOLDER_VARIABLE}.") from error
    return GPIO


@contextmanager
def _pipes_out_of_the_way() -> Iterator[None]:
    """Give lgpio a folder: while it is imported it makes a pipe in the current one, or goes to ``LG_WD`` for good."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="graped-gpio-") as folder:
        own = FOLDER_VARIABLE not in os.environ
        os.environ.setdefault(FOLDER_VARIABLE, folder)
        try:
            yield
        finally:
            if own:
                del os.environ[FOLDER_VARIABLE]
            os.chdir(before)


def _header(pin: int) -> int:
    if pin not in HEADER_PINS:
        raise PinError(f"GPIO {pin} is not on the header", hint="Use BCM numbers 0 to 27.")
    return pin
