"""A port's raw value and the power of its slots: pure arithmetic on a :class:`~graped.model.PortLayout`."""

from __future__ import annotations

from collections.abc import Mapping

from graped.model import PortLayout, PortReading, Power


def decode(layout: PortLayout, reading: PortReading, slot: int) -> Power:
    """Tell the power of one slot; unknown where the reading does not cover its bit."""
    mask = 1 << layout.bits[slot]
    if not reading.known & mask:
        return Power.UNKNOWN
    return Power.ON if bool(reading.value & mask) is not layout.active_low else Power.OFF


def encode(layout: PortLayout, base: int, changes: Mapping[int, bool]) -> int:
    """Change the bits of some slots (slot -> on) in ``base``; every other slot's bit stays as it is."""
    value = base
    for slot, on in changes.items():
        mask = 1 << layout.bits[slot]
        value = value | mask if on is not layout.active_low else value & ~mask
    return (value & ~layout.spare_mask) | (layout.spare & layout.spare_mask)


def siblings(layout: PortLayout, slot: int) -> frozenset[int]:
    """All slots that share this slot's bit, itself included."""
    return frozenset(other for other, bit in layout.bits.items() if bit == layout.bits[slot])


def equal(reading: PortReading, value: int) -> bool:
    """Compare a reading with a value in the bits that the reading knows."""
    return (reading.value ^ value) & reading.known == 0


def slot_bits(layout: PortLayout) -> int:
    """Give the bits that switch slots."""
    mask = 0
    for bit in layout.bits.values():
        mask |= 1 << bit
    return mask


def one_bit_apart(layout: PortLayout, reading: PortReading, value: int) -> bool:
    """Whether the reading is ``value`` with one bit flipped on its way; a stuck pin of no slot hides none of a slot."""
    differ = (reading.value ^ value) & reading.known
    return differ != 0 and (differ & slot_bits(layout)).bit_count() <= 1


def at_reset(layout: PortLayout, reading: PortReading) -> bool:
    """Whether the port shows its power-on value: the sign of a real outage."""
    full = (1 << layout.width) - 1
    return layout.reset is not None and reading.known == full and reading.value == layout.reset


def powers(layout: PortLayout, reading: PortReading) -> dict[int, Power]:
    """Tell the power of every slot."""
    return {slot: decode(layout, reading, slot) for slot in layout.bits}
