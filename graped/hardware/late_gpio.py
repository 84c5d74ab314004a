"""GPIO that may not be there yet: opened when first used, once, and asked for again at growing intervals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from graped.errors import PinError
from graped.hardware.protocols import Edge, Function, Gpio

FIRST_PAUSE_S = 1.0  # before a missing GPIO chip is asked for again; doubles


class LateGpio:
    """Stand before a Gpio that ``open_gpio`` makes; while there is none every call raises its PinError."""

    def __init__(
        self,
        open_gpio: Callable[[], Gpio],
        *,
        clock: Callable[[], float] = time.monotonic,
        retry_max_s: float = 10.0,
    ) -> None:
        self._open_gpio = open_gpio
        self._clock = clock
        self._retry_max_s = retry_max_s
        self._gpio: Gpio | None = None
        self._opening = threading.Lock()  # asked by the lanes of all buses and of the pins
        self._missing: PinError | None = None
        self._pause_s = FIRST_PAUSE_S
        self._ask_at = 0.0

    def function(self, pin: int) -> Function:
        """Look at what a pin is set to."""
        return self._there().function(pin)

    def level(self, pin: int) -> bool:
        """Look at a pin's level."""
        return self._there().level(pin)

    def claim_output(self, pin: int, level: bool) -> None:
        """Make a pin an output that starts with this level."""
        self._there().claim_output(pin, level)

    def write(self, pin: int, level: bool) -> None:
        """Set a claimed output."""
        self._there().write(pin, level)

    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
        """Call ``seen`` at each edge."""
        self._there().watch(pin, edge, seen)

    def keeps_outputs(self) -> bool:
        """Tell whether outputs outlive the process."""
        return self._there().keeps_outputs()

    def close(self) -> None:
        """Stop watching; outputs stay as they are."""
        if self._gpio is not None:
            self._gpio.close()

    def _there(self) -> Gpio:
        if self._gpio is not None:
            return self._gpio
        with self._opening:
            return self._gpio or self._open()

    def _open(self) -> Gpio:
        if self._missing is not None and self._clock() < self._ask_at:
            raise PinError(self._missing.detail, hint=self._missing.hint)
        try:
            self._gpio = gpio = self._open_gpio()
        except PinError as error:
            self._missing = error
            self._ask_at = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, self._retry_max_s)
            raise
        self._missing, self._pause_s = None, FIRST_PAUSE_S
        return gpio
