"""Runs in the guest, with smbus2 and nothing of graped: chips of stack 0 as they are after a power-on; what they hold.

Arguments: ``power-on``; ``port``; ``send BYTE``; ``word ADDRESS REGISTER [VALUE]``; ``byte ADDRESS REGISTER VALUE``.
"""

from __future__ import annotations

import sys

from smbus2 import SMBus

PORT, METER, THERMOMETER, DISPLAY = 0x38, 0x40, 0x48, 0x20
ADDRESSES = (PORT, METER, THERMOMETER, DISPLAY)
PARKED = (0x70, 0x71, 0x72, 0x73)  # where they are until they hold what they should: nobody looks there
ALL_OFF = 0xFF
# Registers of the parked chips after a power-on, with a measurement. INA219, SBOS448: 5.04 V (1260 steps of 4 mV,
# conversion ready) and 0 A until it is calibrated. LM75: 25.5 degrees (0x1980), limits 75 and 80. The display's PCA9555
# is memory like any other: all pins are inputs (register 6), the knob is not pushed (bit 5 of register 1).
POWER_ON = {
    PARKED[1]: {0: 0x399F, 2: 1260 << 3 | 2, 4: 0, 5: 0},
    PARKED[2]: {0: 0x1980, 2: 0x4B00, 3: 0x5000},
    PARKED[3]: {1: 0x2000, 6: 0xFFFF},
}


def main(what: str, *numbers: int) -> None:
    """Do what is asked; bytes of a word are in the order of the wire, which SMBus has the other way round."""
    with SMBus(0) as bus:
        match what, numbers:
            case "power-on", ():
                for value in range(256):
                    bus.write_byte_data(PARKED[0], value, value)
                bus.write_byte(PARKED[0], ALL_OFF)
                for address, registers in POWER_ON.items():
                    for register, word in registers.items():
                        bus.write_word_data(address, register, swap(word))
            case "port", ():
                print(bus.read_byte(PORT))
            case "send", (value,):
                bus.write_byte(PORT, value)
            case "word", (address, register):
                print(swap(bus.read_word_data(address, register)))
            case "word", (address, register, word):
                bus.write_word_data(address, register, swap(word))
            case "byte", (address, register, value):
                bus.write_byte_data(address, register, value)
            case _:
                sys.exit(__doc__)


def swap(word: int) -> int:
    """Exchange the bytes of a word."""
    return (word & 0xFF) << 8 | word >> 8


if __name__ == "__main__":
    main(sys.argv[1], *(int(word, 0) for word in sys.argv[2:]))
