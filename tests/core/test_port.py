"""Arithmetic on raw port values, against the board's table and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.core import port
from graped.model import PortLayout, PortReading, Power
from tests.core.world import BOARD, RELAY


def reading(value: int, known: int = 0xFF) -> PortReading:
    return PortReading(value=value, known=known)


@pytest.mark.parametrize(("slot", "value"), [(0, 0xFD), (1, 0xBF), (2, 0xF7), (3, 0xFB), (4, 0xDF), (5, 0xEF)])
def test_each_slot_of_the_board_has_its_bit(slot: int, value: int) -> None:
    assert port.encode(BOARD, 0xFF, {slot: True}) == value
    assert {n for n, power in port.powers(BOARD, reading(value)).items() if power is Power.ON} == {slot}


def test_all_on_and_all_off() -> None:
    assert port.encode(BOARD, 0xFF, dict.fromkeys(range(6), True)) == 0x81
    assert port.encode(BOARD, 0x81, dict.fromkeys(range(6), False)) == 0xFF


@st.composite
def layouts(draw: st.DrawFn) -> PortLayout:
    width = draw(st.integers(1, 8))
    slots = draw(st.integers(1, 6))
    bits = {slot: draw(st.integers(0, width - 1)) for slot in range(slots)}
    free = [bit for bit in range(width) if bit not in bits.values()]
    mask = sum(1 << bit for bit in free if draw(st.booleans()))
    spare = draw(st.integers(0, 255)) & mask
    return PortLayout(bits=bits, active_low=draw(st.booleans()), width=width, spare_mask=mask, spare=spare)


@given(layout=layouts(), base=st.integers(0, 255), slot=st.integers(0, 5), on=st.booleans())
def test_encode_changes_the_group_asked_for_and_no_other(layout: PortLayout, base: int, slot: int, on: bool) -> None:
    slot %= len(layout.bits)
    base &= (1 << layout.width) - 1
    value = port.encode(layout, base, {slot: on})
    before, after = port.powers(layout, reading(base)), port.powers(layout, reading(value))
    group = port.siblings(layout, slot)
    assert all(after[one] is (Power.ON if on else Power.OFF) for one in group)
    assert all(after[one] is before[one] for one in layout.bits if one not in group)
    assert value & layout.spare_mask == layout.spare
    free = ~layout.spare_mask & ~sum(1 << bit for bit in set(layout.bits.values()))
    assert (value ^ base) & free == 0, "bits of no slot stay as they were read"
    assert value < 1 << layout.width


@given(layout=layouts(), value=st.integers(0, 255), known=st.integers(0, 255))
def test_what_is_not_known_is_unknown(layout: PortLayout, value: int, known: int) -> None:
    for slot, power in port.powers(layout, reading(value, known)).items():
        assert (power is Power.UNKNOWN) is not bool(known >> layout.bits[slot] & 1)


@given(value=st.integers(0, 255), other=st.integers(0, 255), known=st.integers(0, 255))
def test_equal_and_one_bit_apart_look_at_known_bits_only(value: int, other: int, known: int) -> None:
    different = {bit for bit in range(8) if known >> bit & 1 and (value ^ other) >> bit & 1}
    assert port.equal(reading(value, known), other) is (different == set())
    apart = different != set() and len(different - {0, 7}) <= 1  # pins 0 and 7 switch nothing
    assert port.one_bit_apart(BOARD, reading(value, known), other) is apart


def test_an_outage_is_seen_only_in_a_whole_reading_of_a_port_that_has_a_power_on_value() -> None:
    assert port.at_reset(BOARD, reading(0xFF))
    assert not port.at_reset(BOARD, reading(0xFD))
    assert not port.at_reset(BOARD, reading(0xFF, known=0x7F))
    assert not port.at_reset(RELAY, reading(0, known=3))


def test_slots_behind_one_relay_are_siblings() -> None:
    assert port.siblings(RELAY, 1) == {0, 1, 2}
    assert port.siblings(RELAY, 3) == {3}
    assert port.siblings(BOARD, 3) == {3}
