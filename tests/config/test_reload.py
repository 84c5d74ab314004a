"""A reload changes what can change at once and keeps the hardware as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from graped.config.reload import live
from graped.config.render import diff
from graped.config.types import Api, AtStart, Cluster, Config, Device, Gpio, PowerPolicy, Stack, Store, Temperature

OLD = Config(
    cluster=Cluster(name="old", stacks={0: Stack(bus=1, devices={0: Device(mac="02:00:00:00:00:01")}), 1: Stack(bus=0)})
)


def test_names_macs_watts_budgets_and_policies_are_new() -> None:
    new = Config(
        cluster=Cluster(
            name="new", stacks={0: Stack(bus=1, budget_watts=40, devices={3: Device(watts=9)}), 1: Stack(bus=0)}
        ),
        power=PowerPolicy(at_start=AtStart.RESTORE),
    )
    taken = live(OLD, new)
    assert taken == new
    assert diff(OLD, new).needs_restart == ()


def test_hardware_paths_and_stacks_stay_until_a_restart() -> None:
    new = replace(
        OLD,
        cluster=Cluster(name="old", stacks={0: Stack(bus=0, address=3), 2: Stack()}),
        api=Api(socket=Path("/elsewhere")),
        store=Store(state_dir=Path("/elsewhere"), events_days=3),
        gpio=Gpio(overtemp_pin=5),
    )
    taken = live(OLD, new)
    assert taken.cluster.stacks.keys() == {0, 1}
    assert taken.cluster.stacks[0].bus == 1
    assert (taken.api, taken.gpio, taken.store.state_dir) == (OLD.api, OLD.gpio, OLD.store.state_dir)
    assert taken.store.events_days == 3
    told = " ".join(diff(OLD, new).needs_restart)
    assert all(key in told for key in ("stacks.0.bus", "stacks.1", "stacks.2", "api.socket", "gpio.overtemp_pin"))


def test_a_stack_that_changes_its_driver_keeps_the_old_one_whole() -> None:
    new = replace(OLD, cluster=Cluster(stacks={0: Stack(driver="command", devices={5: Device()}), 1: Stack(bus=0)}))
    assert live(OLD, new).cluster.stacks[0] == OLD.cluster.stacks[0]


def test_what_the_thermometers_were_told_stays_and_is_told_again_until_a_restart() -> None:
    new = replace(OLD, temperature=Temperature(overtemp_celsius=60, hysteresis_celsius=50, emergency_celsius=80))
    taken = live(OLD, new)
    assert taken.temperature == Temperature(emergency_celsius=80)
    assert len(diff(taken, new).needs_restart) == 2
