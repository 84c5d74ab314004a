"""Simulated nodes boot in stages, and currents and temperatures follow them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.hardware.sim.blueprint import NodeKind, NodePlan, RackPlan, rack_plan
from graped.hardware.sim.nodes import BEGINS, stage_of
from graped.hardware.sim.physics import AMBIENT_CELSIUS, Warmth, node_watts, noisy, shunt_uv, supply_mv, warmed
from graped.model import Stage
from tests.sim.bench_rack import NODES, Bench, board

PORT = 0x38
SLOT_0 = 0xFD


def test_a_node_boots_through_all_stages_and_a_cut_resets_it() -> None:
    bench = Bench()
    bench.bus.send_byte(PORT, SLOT_0)
    for _ in range(100):
        bench.clock.now += 0.1
        bench.rack.tick()
    seen = [stage for _, slot, stage in bench.witness.stages if slot == 0]
    assert seen == ["powered", "dhcp", "tftp", "kernel", "root", "up"]
    bench.bus.send_byte(PORT, 0xFF)
    assert bench.stage(0) == "off"
    bench.bus.send_byte(PORT, SLOT_0)
    assert bench.stage(0) == "powered"


def test_the_next_tick_is_due_when_the_next_stage_is() -> None:
    bench = Bench(RackPlan(stacks={0: board(nodes=NODES | {0: NodePlan(boot_s=0.5)})}))
    bench.bus.send_byte(PORT, SLOT_0)
    assert bench.rack.tick() == pytest.approx(0.07)


@given(boot_s=st.floats(0.1, 100), part=st.floats(0, 2))
def test_stages_never_go_back_and_end_when_they_say(boot_s: float, part: float) -> None:
    node = NodePlan(boot_s=boot_s)
    order = [stage for stage, _ in BEGINS]
    now = stage_of(node, part * boot_s)
    assert now.stage is not None
    if now.lasts_s is None:
        assert now.stage is Stage.UP
        assert part >= 1
    else:
        later = stage_of(node, part * boot_s + now.lasts_s + 1e-9 * boot_s)
        assert later.stage is not None
        assert order.index(later.stage) == order.index(now.stage) + 1


def test_a_node_hangs_at_its_stage_for_good() -> None:
    node = NodePlan(hang_at="tftp")
    assert stage_of(node, 1e6).stage is Stage.TFTP
    assert stage_of(node, 1.2).stage is Stage.DHCP


def test_nothing_is_invented_of_external_machines_and_an_empty_slot_is_only_powered() -> None:
    external, empty = NodePlan(kind=NodeKind.EXTERNAL), NodePlan(kind=NodeKind.EMPTY)
    assert stage_of(external, None).stage is stage_of(external, 100).stage is None
    assert stage_of(empty, 100).stage is Stage.POWERED
    assert stage_of(empty, None).stage is Stage.OFF
    assert node_watts(empty, 100) == 0
    assert node_watts(external, 100) > 0


def test_inrush_then_boot_then_idle() -> None:
    node = NodePlan(watts=6.0, boot_s=8.0)
    assert node_watts(node, None) == 0
    assert node_watts(node, 0.0) > 12
    assert node_watts(node, 3.0) == pytest.approx(6.0, rel=0.01)
    assert node_watts(node, 20.0) == pytest.approx(4.2)


@given(celsius=st.floats(-20, 90), watts=st.floats(0, 100), first=st.floats(0, 500), second=st.floats(0, 500))
def test_warming_in_two_steps_is_warming_in_one(celsius: float, watts: float, first: float, second: float) -> None:
    start = Warmth(celsius=celsius)
    twice = warmed(warmed(start, watts=watts, now=first), watts=watts, now=first + second)
    once = warmed(start, watts=watts, now=first + second)
    assert twice.celsius == pytest.approx(once.celsius, abs=1e-6)


@given(watts=st.floats(0, 60), now=st.floats(0, 1e6))
def test_noise_is_small_and_repeats(watts: float, now: float) -> None:
    assert noisy(watts, seed=1, stack=2, now=now) == noisy(watts, seed=1, stack=2, now=now)
    assert noisy(watts, seed=1, stack=2, now=now) == pytest.approx(watts, rel=0.031)
    assert shunt_uv(watts, 0.02) / 0.02 * supply_mv(watts) / 1e9 == pytest.approx(watts, rel=1e-6)


def test_the_meter_and_the_thermometer_follow_the_slots() -> None:
    bench = Bench()

    def current() -> int:
        word = bench.bus.read_word_data(0x40, 4)
        return int.from_bytes(word.to_bytes(2, "little"), "big")

    bench.bus.write_word_data(0x40, 0, 0x1F2C)  # 0x2C1F, swapped
    bench.bus.write_word_data(0x40, 5, 0x0008)  # 2048: 1 mA over 20 mOhm
    idle = current()
    bench.bus.send_byte(PORT, 0x81)
    bench.clock.now += 60
    assert idle == pytest.approx(100, rel=0.05)  # 1.2 W of 12 V
    assert current() == pytest.approx(idle + 6 * 7 * 0.7 / 12 * 1000, rel=0.06)
    bench.clock.now += 600
    bench.rack.tick()
    warm = bench.bus.read_word_data(0x48, 0) & 0xFF
    assert AMBIENT_CELSIUS + 10 < warm < 50


def test_a_plan_survives_its_way_as_json_and_what_stays_keeps_its_state() -> None:
    plan = RackPlan(stacks={0: board(), 3: board(address=3, meter=False)}, display=(1, 0x20))
    assert rack_plan(plan.to_json()) == plan
    bench = Bench(plan)
    bench.bus.send_byte(PORT, SLOT_0)
    bench.bus.send_byte(PORT + 3, SLOT_0)
    slower = NODES | {0: NodePlan(boot_s=100.0)}
    bench.rack.apply(RackPlan(stacks={0: board(nodes=slower), 1: board(address=1)}, display=(1, 0x20)))
    assert bench.lit(0) == {0}
    assert bench.lit(1) == set()
    assert bench.rack.stacks.keys() == {0, 1}
    assert bench.witness.power[-1] == (3, 0, False)  # unplugged
    bench.clock.now += 20
    assert bench.stage(0) == "dhcp"
