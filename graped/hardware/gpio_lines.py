"""Look at GPIO lines through the kernel's character device, where the controller's registers are not to be seen.

Debian's kernels have no ``/dev/gpiomem``. The kernel tells a line's direction to anybody, its level only to who holds
the line; a line that is let go of becomes an input again, unless ``persist_gpio_outputs`` is on. So an output that
nobody holds is looked at only where it survives that, by asking for it "as is".

Source: Linux, ``include/uapi/linux/gpio.h`` (v2), ``gpiolib-cdev.c`` (a request without direction), and the labels in
``pinctrl-bcm2835.c`` and ``pinctrl-rp1.c``.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path

from graped.errors import PinError
from graped.hardware.protocols import Function

HEADER_CHIPS = frozenset({"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"})

GET_CHIPINFO = 0x8044B401
CHIPINFO = struct.Struct("32s 32s I")  # name, label, lines
GET_LINEINFO = 0xC100B405
LINEINFO = struct.Struct("32s 32s I I Q 160x 16x")  # name, consumer, offset, attributes, flags
GET_LINE = 0xC250B407
LINE_REQUEST = struct.Struct("I 252x 32s Q 264x I I 20x i")  # offset, consumer, flags, lines, buffer, descriptor
GET_VALUES = 0xC010B40E
VALUES = struct.Struct("Q Q")  # bits, mask
CONSUMER = b"graped looks"


class Flag(IntFlag):
    """``enum gpio_v2_line_flag``."""

    USED = 1 << 0
    OUTPUT = 1 << 3


Ioctl = Callable[[int, int, bytearray], object]


class LinePins:
    """The lines of one chip, by offset. A line that somebody holds, graped too, can only be asked of its holder."""

    sees_claimed = False

    def __init__(self, chip: Path, keeps: Callable[[], bool], ioctl: Ioctl = fcntl.ioctl) -> None:
        self._chip = chip
        self._keeps = keeps
        self._ioctl = ioctl

    def function(self, pin: int) -> Function:
        """Tell what a line is set to."""
        with _opened(self._chip) as chip:
            return self._function(chip, pin)

    def level(self, pin: int) -> bool:
        """Tell the level on a line that nobody holds."""
        with _opened(self._chip) as chip:
            if self._function(chip, pin) in (Function.OTHER, Function.UNSEEN):
                raise PinError(
                    f"the level of GPIO {pin} can only be told by who holds it", hint="See gpioinfo for who that is."
                )
            request = bytearray(LINE_REQUEST.pack(pin, CONSUMER, 0, 1, 0, 0))
            self._ask(chip, GET_LINE, request, pin)
            line = LINE_REQUEST.unpack(request)[-1]
            try:
                values = bytearray(VALUES.pack(0, 1))
                self._ask(line, GET_VALUES, values, pin)
                return bool(VALUES.unpack(values)[0] & 1)
            finally:
                os.close(line)

    def _function(self, chip: int, pin: int) -> Function:
        info = bytearray(LINEINFO.pack(b"", b"", pin, 0, 0))
        self._ask(chip, GET_LINEINFO, info, pin)
        flags = Flag(LINEINFO.unpack(info)[-1] & (Flag.USED | Flag.OUTPUT))
        if Flag.USED in flags:
            return Function.OTHER
        if Flag.OUTPUT in flags:
            return Function.OUTPUT if self._keeps() else Function.UNSEEN
        return Function.INPUT

    def _ask(self, descriptor: int, request: int, data: bytearray, pin: int) -> None:
        try:
            self._ioctl(descriptor, request, data)
        except OSError as error:
            raise PinError(f"cannot look at GPIO {pin} of {self._chip}: {error.strerror}") from error


def header_chip(devices: Path = Path("/dev"), ioctl: Ioctl = fcntl.ioctl) -> Path | None:
    """Find the chip whose lines are on the 40-pin header, by its label.

    Raises: PinError where it is not among those that may be opened, and some may not.
    """
    refused: PinError | None = None
    for chip in sorted(devices.glob("gpiochip*")):
        info = bytearray(CHIPINFO.size)
        try:
            with _opened(chip) as descriptor:
                ioctl(descriptor, GET_CHIPINFO, info)
        except PinError as error:
            refused = error
            continue
        except OSError:
            continue  # something else by that name
        label: bytes = CHIPINFO.unpack(info)[1]
        if label.rstrip(b"\0").decode(errors="replace") in HEADER_CHIPS:
            return chip
    if refused is not None:
        raise refused
    return None


@contextmanager
def _opened(chip: Path) -> Iterator[int]:
    try:
        descriptor = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise PinError(
            f"cannot open {chip}: {error.strerror}", hint="Run graped as root or in the group gpio."
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
