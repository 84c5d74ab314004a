"""A bus in this process that takes its true time on the wire."""

from __future__ import annotations

import time

import pytest

from graped.hardware.sim.blueprint import RackPlan
from graped.hardware.sim.buses import RackBus
from graped.hardware.sim.ops import OPS, Op, wire_time_s
from graped.hardware.sim.rack import Rack
from tests.sim.bench_rack import board


def test_wire_times_are_nine_clocks_a_byte_and_starts_and_stops() -> None:
    assert wire_time_s(Op.RECEIVE_BYTE) == pytest.approx(200e-6)
    assert wire_time_s(Op.READ_WORD_DATA) == pytest.approx(480e-6)
    assert wire_time_s(Op.QUICK, 400_000) == pytest.approx(27.5e-6)
    assert all(wire_time_s(op) > 0 for op in OPS)


def test_a_slow_bus_is_never_faster_than_its_wire() -> None:
    bus = RackBus(Rack(RackPlan(stacks={0: board()})), 1, wire_hz=100_000)
    best = 1.0
    for _ in range(30):
        began = time.perf_counter()
        bus.receive_byte(0x38)
        took = time.perf_counter() - began
        assert took >= 200e-6
        best = min(best, took)
    assert best < 300e-6
    assert bus.wire_s == pytest.approx(30 * 200e-6)
