"""PCF8574A and XRA1200 against their data sheets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import BusNack
from graped.hardware.sim.blueprint import NodePlan, RackPlan, StackKind, StackPlan
from graped.hardware.sim.chips.pcf8574 import Pcf8574
from graped.hardware.sim.chips.xra1200 import Register, Xra1200
from tests.sim.bench_rack import Bench

PORT = 0x38


def test_a_port_comes_up_high_so_all_slots_are_off() -> None:
    bench = Bench()
    assert bench.bus.receive_byte(PORT) == 0xFF
    assert bench.lit() == set()


def test_each_slot_has_its_bit_and_low_is_on() -> None:
    bench = Bench()
    for slot, bit in enumerate((1, 6, 3, 2, 5, 4)):
        bench.bus.send_byte(PORT, 0xFF & ~(1 << bit))
        assert bench.lit() == {slot}
    bench.bus.send_byte(PORT, 0x81)
    assert bench.lit() == set(range(6))


def test_a_written_register_pointer_powers_all_slots_for_a_byte_time() -> None:
    bench = Bench()
    bench.bus.write_byte_data(PORT, 0, 0xFF)
    ons = {slot for _, slot, on in bench.witness.power if on}
    offs = {slot for _, slot, on in bench.witness.power if not on}
    assert ons == offs == set(range(6))
    assert bench.lit() == set()


def test_a_read_with_a_register_pointer_leaves_all_slots_on() -> None:
    bench = Bench()
    assert bench.bus.read_byte_data(PORT, 0) == 0x00
    assert bench.lit() == set(range(6))


def test_a_word_written_is_three_bytes_for_a_port_without_registers() -> None:
    seen: list[int] = []
    Pcf8574(seen.append).write(bytes((0, 0xBD, 0xFF)))
    assert seen == [0, 0xBD, 0xFF]


def test_a_quick_command_moves_nothing() -> None:
    bench = Bench()
    bench.bus.quick(PORT)
    assert bench.bus.receive_byte(PORT) == 0xFF
    with pytest.raises(BusNack):
        bench.bus.quick(PORT + 1)


@given(latch=st.integers(0, 255), mask=st.integers(0, 255), levels=st.integers(0, 255))
def test_a_held_pin_reads_its_level_and_the_latch_comes_back(latch: int, mask: int, levels: int) -> None:
    chip = Pcf8574()
    chip.write(bytes((latch,)))
    chip.hold(mask, levels)
    read = chip.read(1)[0]
    assert read & mask == levels & mask
    assert read & ~mask == latch & ~mask
    chip.hold(0, 0)
    assert chip.read(1)[0] == latch


def hat() -> Bench:
    nodes = {slot: NodePlan() for slot in range(4)}
    return Bench(RackPlan(stacks={2: StackPlan(kind=StackKind.CLUSTERHAT, bus=1, address=0x20, nodes=nodes)}))


def test_a_fresh_hat_is_all_inputs_and_all_off() -> None:
    bench = hat()
    assert bench.bus.read_byte_data(0x20, Register.GCR) == 0xFF
    assert bench.bus.read_byte_data(0x20, Register.OCR) == 0xFF
    assert bench.bus.read_byte_data(0x20, Register.GSR) & 0x0F == 0
    assert bench.lit(2) == set()


def test_a_hat_pin_made_an_output_before_its_level_switches_its_node_on() -> None:
    bench = hat()
    bench.bus.write_byte_data(0x20, Register.GCR, 0xF0)
    assert bench.lit(2) == {0, 1, 2, 3}


def test_a_hat_switches_with_levels_first() -> None:
    bench = hat()
    bench.bus.write_byte_data(0x20, Register.OCR, 0b0101)
    bench.bus.write_byte_data(0x20, Register.GCR, 0xF0)
    assert bench.lit(2) == {0, 2}
    assert bench.bus.read_byte_data(0x20, Register.GSR) & 0x0F == 0b0101


def test_xra1200_inverts_and_pulls_up_inputs_only() -> None:
    chip = Xra1200(pulled_down=0x0F)
    chip.write(bytes((Register.PUR, 0xFF)))
    chip.write(bytes((Register.GSR,)))
    assert chip.read(1)[0] == 0xF0
    chip.write(bytes((Register.PIR, 0xFF)))
    chip.write(bytes((Register.GSR,)))
    assert chip.read(1)[0] == 0x0F
    chip.write(bytes((Register.GSR, 0x55)))  # read-only
    chip.write(bytes((Register.TSCR, 0xFF)))
    chip.write(bytes((Register.GCR, 0x00)))
    assert chip.pins == 0xF0  # three-stated outputs float like inputs
