"""Look at GPIO pins without claiming them: the controller's registers, mapped read-only.

RPi.GPIO reads only pins that it has set up (which changes their pulls), and lgpio turns an unclaimed pin into an
input when it is read. Neither may happen to a pin that holds a relay, so the level is read here.

Sources: BCM2835 ARM Peripherals, table 6-1 (GPFSEL, GPLEV; the same in the BCM2711); RP1 Peripherals, chapter 3
(IO_BANK0 CTRL, SYS_RIO), at the offsets in which the kernel shows them in ``/dev/gpiomem0``.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from graped.errors import PinError
from graped.hardware.protocols import Function

HEADER_PINS = range(28)  # BCM 0-27: what the 40-pin header carries

BCM_DEVICE = Path("/dev/gpiomem")  # up to the Pi 4
BCM_BYTES = 0x1000
BCM_FUNCTION = 0x00  # GPFSEL0: ten pins a word, three bits a pin
BCM_LEVEL = 0x34  # GPLEV0: one bit a pin
BCM_INPUT, BCM_OUTPUT = 0, 1

RP1_DEVICE = Path("/dev/gpiomem0")  # Pi 5
RP1_BYTES = 0x30000
RP1_CTRL = 0x04  # GPIO0_CTRL in IO_BANK0; STATUS and CTRL alternate, 8 bytes a pin
RP1_FUNCTION_MASK = 0x1F
RP1_SYS_RIO = 5  # the function in which software drives or reads the pin
RP1_OUTPUT_ENABLE = 0x10004  # SYS_RIO0 OE: one bit a pin
RP1_LEVEL = 0x10008  # SYS_RIO0 IN: one bit a pin

Word = Callable[[int], int]  # byte offset -> 32-bit register


class PinView(Protocol):
    """What can be seen of a pin without touching it. Each raises PinError."""

    sees_claimed: bool  # also a pin that this process has claimed

    def function(self, pin: int) -> Function: ...
    def level(self, pin: int) -> bool: ...


class BcmPins:
    """Pins of a BCM283x or BCM2711 (all Pis up to the 4)."""

    sees_claimed = True

    def __init__(self, word: Word) -> None:
        self._word = word

    def function(self, pin: int) -> Function:
        """Tell what a pin is set to."""
        value = self._word(BCM_FUNCTION + 4 * (pin // 10)) >> 3 * (pin % 10) & 0b111
        return {BCM_INPUT: Function.INPUT, BCM_OUTPUT: Function.OUTPUT}.get(value, Function.OTHER)

    def level(self, pin: int) -> bool:
        """Tell the level on the pin itself."""
        return bool(self._word(BCM_LEVEL) >> pin & 1)


class Rp1Pins:
    """Pins of an RP1 (Pi 5)."""

    sees_claimed = True

    def __init__(self, word: Word) -> None:
        self._word = word

    def function(self, pin: int) -> Function:
        """Tell what a pin is set to."""
        if self._word(RP1_CTRL + 8 * pin) & RP1_FUNCTION_MASK != RP1_SYS_RIO:
            return Function.OTHER
        return Function.OUTPUT if self._word(RP1_OUTPUT_ENABLE) >> pin & 1 else Function.INPUT

    def level(self, pin: int) -> bool:
        """Tell the level on the pin itself."""
        return bool(self._word(RP1_LEVEL) >> pin & 1)


def open_pins(bcm: Path = BCM_DEVICE, rp1: Path = RP1_DEVICE) -> PinView:
    """Map the registers of this machine's GPIO controller; raise PinError where there are none."""
    if rp1.exists():
        return Rp1Pins(_map(rp1, RP1_BYTES))
    if bcm.exists():
        return BcmPins(_map(bcm, BCM_BYTES))
    raise PinError(
        "the levels of GPIO pins cannot be read: there is no /dev/gpiomem, and no GPIO chip of a header",
        hint="Install grape[gpio-lgpio] for kernels without /dev/gpiomem, run graped on a Raspberry Pi, or --simulate.",
    )


def _map(device: Path, length: int) -> Word:
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_SYNC | os.O_CLOEXEC)
    except OSError as error:
        raise PinError(
            f"cannot open {device}: {error.strerror}", hint="Run graped as root or in the group gpio."
        ) from error
    try:
        words = memoryview(mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ)).cast("I")
    except (OSError, ValueError) as error:
        raise PinError(f"cannot map {device}: {error}") from error
    finally:
        os.close(descriptor)
    return lambda offset: words[offset // 4]
