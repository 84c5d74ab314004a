"""The display board: two lines of text, two LEDs, a knob. Blocking; runs in its bus's lane."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from graped.errors import BusError
from graped.hardware.chips import hd44780 as lcd
from graped.hardware.chips.pca9555 import Pca9555, Register
from graped.hardware.protocols import I2cBus

CONFIGURATION = (0x00, 0xE0)  # port 0 and port 1 bits 0-4 drive; button and encoder are read
UNREADABLE = (bytes(lcd.COLUMNS),) * lcd.ROWS  # differs in every cell from anything that is ever shown
BLANK = (lcd.encode_row(""),) * lcd.ROWS


class Panel:
    """The board at one address. Each method raises BusError; afterwards ``configure`` makes it whole again."""

    def __init__(self, bus: I2cBus, address: int = 0x20, sleep: Callable[[float], None] = time.sleep) -> None:
        self._chip = Pca9555(bus, address)
        self._sleep = sleep
        self._shown: tuple[bytes, ...] | None = None  # None: nobody knows what the glass shows
        self._lamps = lcd.leds(red=False, green=False)

    def present(self) -> bool:
        """Ask whether something answers, by reading alone."""
        try:
            self._chip.read_pair(Register.CONFIGURATION_0)
        except BusError:
            return False
        return True

    def configured(self) -> bool:
        """Tell whether the expander still is as ``configure`` left it (it is not after a loss of power)."""
        return self._chip.read_pair(Register.CONFIGURATION_0) == CONFIGURATION

    def configure(self) -> None:
        """Set up expander and LCD from any state: a blank text, LEDs dark."""
        self._shown = None
        self._lamps = lcd.leds(red=False, green=False)
        # levels before directions: no pin ever drives something that nobody chose
        self._chip.write_pair(Register.OUTPUT_0, 0, self._lamps)
        self._chip.write_pair(Register.POLARITY_0, 0, 0)
        self._chip.write_pair(Register.CONFIGURATION_0, *CONFIGURATION)
        self._sleep(lcd.POWER_ON_WAIT_S)
        self._send(lcd.INITIALISE)
        self._shown = BLANK

    def show(self, lines: tuple[str, str], *, red: bool, green: bool) -> None:
        """Show two lines and two LEDs, writing only what differs from what is shown."""
        if self._shown is None:
            self.configure()
        assert self._shown is not None
        rows = tuple(lcd.encode_row(line) for line in lines)
        old, self._shown = self._shown, None  # if the bus fails on the way, nobody knows
        self._light(lcd.leds(red=red, green=green))
        for row, (was, now) in enumerate(zip(old, rows, strict=True)):
            for column, codes in lcd.changes(was, now):
                self._send(lcd.place(row, column, codes))
        self._shown = rows

    def repaint(self) -> None:
        """Have the next ``show`` write everything: what noise on the cable changed cannot be read back."""
        if self._shown is not None:
            self._shown = None
            self._chip.write(Register.OUTPUT_1, self._lamps)
            self._send(lcd.REASSURE)
            self._shown = UNREADABLE

    def inputs(self) -> int:
        """Read input port 1 (button and encoder); this also releases the interrupt line."""
        return self._chip.read(Register.INPUT_1)

    def _light(self, lamps: lcd.Control) -> None:
        if lamps != self._lamps:
            self._chip.write(Register.OUTPUT_1, lamps)
            self._lamps = lamps

    def _send(self, transfers: Iterable[lcd.Transfer]) -> None:
        """Hand bytes to the LCD. Its busy flag is not asked: three transactions take longer than it needs."""
        for transfer in transfers:
            (data, idle), (_, enabled), (_, ended) = lcd.strobe(transfer, self._lamps)
            self._chip.write_pair(Register.OUTPUT_0, data, idle)
            self._chip.write(Register.OUTPUT_1, enabled)
            self._chip.write(Register.OUTPUT_1, ended)
            if transfer.wait_s:
                self._sleep(transfer.wait_s)
