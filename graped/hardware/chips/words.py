"""Sixteen-bit register words: SMBus sends the low byte first, these chips the high byte."""

from __future__ import annotations


def swap(word: int) -> int:
    """Exchange the two bytes of a word."""
    return (word & 0xFF) << 8 | word >> 8 & 0xFF


def to_signed(word: int) -> int:
    """Read a word as two's complement."""
    return word - 0x10000 if word & 0x8000 else word


def from_signed(number: int) -> int:
    """Write a number from -32768 to 32767 as two's complement."""
    if not -0x8000 <= number <= 0x7FFF:
        raise ValueError(f"{number} does not fit into 16 bits")
    return number & 0xFFFF
