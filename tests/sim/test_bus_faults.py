"""Faults on the simulated buses: what each does to a transaction, to the trace, and to the ports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.errors import BusError, BusMissing, BusNack, BusTimeout, ConfigError, NotFound
from graped.hardware.protocols import purpose
from graped.hardware.sim.blueprint import RackPlan
from graped.hardware.sim.faultfile import read_fault_file
from graped.hardware.sim.faults import FaultKind, SimFault, parse_fault
from tests.sim.bench_rack import Bench, board

PORT = 0x38
TWO = RackPlan(stacks={0: board(), 1: board(address=1), 2: board(bus=0, address=2, meter=False)})


def test_nack_concerns_only_what_it_names() -> None:
    bench = Bench(TWO)
    bench.rack.add_fault(SimFault(kind=FaultKind.NACK, stack=1, op="send_byte"))
    with pytest.raises(BusNack):
        bench.bus.send_byte(PORT + 1, 0x81)
    assert bench.lit(1) == set()
    bench.bus.receive_byte(PORT + 1)
    bench.bus.send_byte(PORT, 0x81)
    assert bench.lit(0) == set(range(6))


def test_an_empty_address_does_not_acknowledge_and_a_third_bus_is_not_there() -> None:
    bench = Bench(TWO)
    with pytest.raises(BusNack):
        bench.bus.receive_byte(0x3F)
    with pytest.raises(BusMissing):
        bench.on(5).receive_byte(PORT)


def test_a_timeout_takes_the_callers_time_and_a_write_may_have_arrived() -> None:
    bench = Bench()
    bench.rack.add_fault(SimFault(kind=FaultKind.TIMEOUT))
    outcomes = set()
    for _ in range(40):
        bench.rack.stacks[0].brown_out()
        before = bench.clock.now
        with pytest.raises(BusTimeout):
            bench.bus.send_byte(PORT, 0x81)
        assert bench.clock.now - before == pytest.approx(0.05)
        outcomes.add(bench.rack.stacks[0].port)
    assert outcomes == {0xFF, 0x81}


@settings(max_examples=60, deadline=None)
@given(value=st.integers(0, 255), seed=st.integers(0, 1000))
def test_a_flip_is_one_bit_read_or_written(value: int, seed: int) -> None:
    bench = Bench(RackPlan(stacks={0: board()}, seed=seed))
    bench.bus.send_byte(PORT, value)
    bench.rack.add_fault(SimFault(kind=FaultKind.FLIP))
    read = bench.bus.receive_byte(PORT)
    assert (read ^ value).bit_count() == 1
    assert bench.rack.stacks[0].port == value  # a flipped read moves nothing
    bench.bus.send_byte(PORT, value)
    assert (bench.rack.stacks[0].port ^ value).bit_count() == 1


def test_a_flip_of_a_word_reaches_its_upper_byte_and_a_named_bit_is_that_bit() -> None:
    bench = Bench()
    bench.rack.add_fault(SimFault(kind=FaultKind.FLIP, bit=12))
    clean = 0x9F39  # INA219 configuration 0x399F, low byte first
    assert bench.bus.read_word_data(0x40, 0) == clean ^ 1 << 12
    assert bench.bus.receive_byte(PORT) == 0xFF  # a byte has no bit 12


def test_a_stuck_pin_holds_its_slot_until_it_is_cleared() -> None:
    bench = Bench()
    fault = bench.rack.add_fault(SimFault(kind=FaultKind.STUCK, bit=1, level=0))
    assert bench.lit() == {0}
    bench.bus.send_byte(PORT, 0xFF)
    assert bench.bus.receive_byte(PORT) == 0xFD
    bench.rack.clear_faults(fault.id)
    assert bench.lit() == set()
    drawn = bench.rack.add_fault(SimFault(kind=FaultKind.STUCK))
    assert drawn.bit is not None
    assert drawn.level is not None


def test_a_hung_bus_times_out_everywhere_on_it_and_nowhere_else() -> None:
    bench = Bench(TWO)
    bench.rack.add_fault(SimFault(kind=FaultKind.HANG, stack=1))
    for address in (PORT, PORT + 1, 0x3F):
        with pytest.raises(BusTimeout):
            bench.bus.send_byte(address, 0x81)
    assert bench.lit(0) == bench.lit(1) == set()
    assert bench.on(0).receive_byte(PORT + 2) == 0xFF
    assert bench.rack.clear_faults() == 1
    assert bench.bus.receive_byte(PORT) == 0xFF


def test_a_missing_stack_does_not_answer_and_keeps_its_slots() -> None:
    bench = Bench(TWO)
    bench.bus.send_byte(PORT, 0x81)
    bench.rack.add_fault(SimFault(kind=FaultKind.MISSING, stack=0))
    for address in (PORT, 0x40, 0x48):
        with pytest.raises(BusNack):
            bench.bus.receive_byte(address)
    assert bench.lit() == set(range(6))


def test_a_brown_out_resets_chips_and_nodes_at_once() -> None:
    bench = Bench(TWO)
    bench.bus.send_byte(PORT, 0x81)
    bench.bus.send_byte(PORT + 1, 0x81)
    bench.bus.write_word_data(0x40, 0, 0x1F2C)
    bench.rack.add_fault(SimFault(kind=FaultKind.BROWNOUT, stack=0))
    assert bench.bus.receive_byte(PORT) == 0xFF
    assert bench.bus.read_word_data(0x40, 0) == 0x9F39
    assert (bench.lit(0), bench.lit(1)) == (set(), set(range(6)))
    assert bench.rack.faults.list() == ()


def test_a_long_brown_out_keeps_its_stack_away_meanwhile() -> None:
    bench = Bench()
    bench.rack.add_fault(SimFault(kind=FaultKind.BROWNOUT, stack=0, for_s=2))
    with pytest.raises(BusNack):
        bench.bus.receive_byte(PORT)
    bench.clock.now += 2
    assert bench.bus.receive_byte(PORT) == 0xFF


def test_count_and_duration_end_a_fault() -> None:
    bench = Bench()
    bench.rack.add_fault(SimFault(kind=FaultKind.NACK, count=2))
    bench.rack.add_fault(SimFault(kind=FaultKind.STUCK, bit=1, level=0, for_s=5))
    for left in (1, None):
        with pytest.raises(BusNack):
            bench.bus.receive_byte(PORT)
        nacks = [fault.count for fault in bench.rack.faults.list() if fault.kind is FaultKind.NACK]
        assert nacks == ([] if left is None else [left])
    assert bench.bus.receive_byte(PORT) == 0xFD
    bench.clock.now += 5
    bench.rack.tick()
    assert bench.bus.receive_byte(PORT) == 0xFF
    with pytest.raises(NotFound):
        bench.rack.clear_faults(1)


def test_probability_is_kept_and_the_seed_repeats_it() -> None:
    def run(seed: int) -> list[bool]:
        bench = Bench(RackPlan(stacks={0: board()}, seed=seed))
        bench.rack.add_fault(SimFault(kind=FaultKind.NACK, probability=0.2))
        outcomes = []
        for _ in range(1000):
            try:
                outcomes.append(bench.bus.receive_byte(PORT) < 0)
            except BusNack:
                outcomes.append(True)
        return outcomes

    assert 150 < sum(run(3)) < 250
    assert run(3) == run(3) != run(4)


def traced(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_trace_tells_every_transaction_at_once(tmp_path: Path) -> None:
    bench = Bench()
    bench.rack.trace_to(tmp_path / "trace.jsonl")
    bench.rack.add_fault(SimFault(kind=FaultKind.FLIP, op="send_byte", bit=3, count=1))
    bench.rack.add_fault(SimFault(kind=FaultKind.NACK, op="quick", count=1))
    with purpose('job 7 "quoted"'):
        bench.bus.send_byte(PORT, 0xFD)
    assert traced(tmp_path / "trace.jsonl") == [
        {
            "t": bench.clock.now,
            "bus": 1,
            "address": PORT,
            "op": "send_byte",
            "data": 0xFD,
            "result": "ok",
            "by": 'job 7 "quoted"',
            "port_before": 0xFF,
            "port_after": 0xF5,
            "fault": "flip:3",
        }
    ]
    bench.bus.read_word_data(0x40, 0)
    with pytest.raises(BusError):
        bench.bus.quick(PORT)
    bench.bus.write_byte_data(0x48, 1, 0x18)
    _, word, quick, byte = traced(tmp_path / "trace.jsonl")
    assert (word["op"], word["register"], word["data"]) == ("read_word_data", 0, 0x9F39)
    assert "port_before" not in word
    assert (quick["result"], quick["data"], quick["fault"]) == ("nack", None, "nack")
    assert (byte["register"], byte["data"], byte["by"]) == (1, 0x18, "")


def test_a_trace_can_be_exchanged_and_ended(tmp_path: Path) -> None:
    bench = Bench()
    for name in ("a", "b", None):
        bench.rack.trace_to(tmp_path / name if name else None)
        bench.bus.receive_byte(PORT)
    bench.rack.trace_to(tmp_path / "a")
    bench.bus.receive_byte(PORT)
    assert len(traced(tmp_path / "a")) == 2
    assert len(traced(tmp_path / "b")) == 1


def test_a_fault_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'seed = 9\n[[fault]]\nkind = "flip"\nprobability = 0.2\n[[fault]]\nkind = "hang"\nbus = 1\nfor_s = 2.5\n'
    )
    file = read_fault_file(path)
    assert file.seed == 9
    assert file.faults == (
        SimFault(kind=FaultKind.FLIP, probability=0.2),
        SimFault(kind=FaultKind.HANG, bus=1, for_s=2.5),
    )


def test_a_fault_file_tells_all_its_mistakes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        'sed = 1\n[[fault]]\nkind = "nak"\nprobability = 1.5\nstak = 1\n'
        '[[fault]]\nkind = "stuck"\nlevel = 2\nop = "read"\n'
        '[[fault]]\nkind = "flip"\nbit = true\n'
    )
    with pytest.raises(ConfigError) as caught:
        read_fault_file(path)
    keys = {problem.key: problem.nearest for problem in caught.value.problems}
    assert keys.keys() == {
        "sed",
        "fault[0].kind",
        "fault[0].probability",
        "fault[0].stak",
        "fault[1].level",
        "fault[1].op",
        "fault[2].bit",
    }
    assert keys["fault[0].kind"] == "nack"
    assert keys["fault[0].stak"] == "stack"
    assert keys["sed"] == "seed"


@pytest.mark.parametrize("text", ["[[fault", "fault = 3", "\xff"])
def test_a_fault_file_that_is_no_fault_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError):
        read_fault_file(path)
    with pytest.raises(ConfigError, match="can be read"):
        read_fault_file(tmp_path / "absent.toml")


@given(
    st.builds(
        SimFault,
        kind=st.sampled_from(FaultKind),
        bus=st.none() | st.integers(0, 1),
        count=st.none() | st.integers(1, 9),
    )
)
def test_a_fault_survives_its_way_as_a_table(fault: SimFault) -> None:
    assert parse_fault(fault.to_json()) == (fault, [])
