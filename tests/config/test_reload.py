"""A reload changes what can change at once and keeps the hardware as it is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from graped.config.reload import live
from graped.config.render import diff
from graped.config.types import (
    Api,
    AtStart,
    Cluster,
    Config,
    Deadlines,
    Device,
    Gpio,
    Model,
    Netboot,
    NfsServer,
    PowerPolicy,
    Prepare,
    Stack,
    Store,
    Strategy,
    Supervisor,
    Temperature,
)

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


NET = Netboot(active=True, interface="eth1", address=IPv4Interface("10.77.0.1/24"))


def test_what_nodes_are_served_applies_at_once_and_what_servers_stand_on_does_not() -> None:
    old = replace(OLD, netboot=NET)
    served = Netboot(
        active=True, interface="eth1", address=NET.address, image="b", strategy=Strategy.COPY, kernel_args="quiet",
        first_host=20, tftp_max=5, dns=(IPv4Address("9.9.9.9"),), deadlines=Deadlines(dhcp_s=3),
        prepare=Prepare(scripts=("/x",)),
    )  # fmt: skip
    device = Device(image="b", strategy=Strategy.COPY, model=Model.PI4, address=IPv4Address("10.77.0.9"))
    new = replace(old, netboot=served, cluster=Cluster(name="old", stacks={0: Stack(bus=1, devices={0: device}),
                                                                          1: Stack(bus=0)}))  # fmt: skip
    assert live(old, new) == new
    assert diff(old, new).needs_restart == ()
    moved = replace(served, supervisor=Supervisor.PROCESS, nfs=NfsServer.GANESHA, folder=Path("/srv"), interface="eth2",
                    active=False)  # fmt: skip
    assert live(old, replace(new, netboot=moved)) == new
    keys = [line.split(":")[0] for line in diff(new, replace(new, netboot=moved)).needs_restart]
    assert sorted(keys) == [f"netboot.{key}" for key in ("active", "folder", "interface", "nfs", "supervisor")]


def test_with_a_new_network_every_address_waits_for_the_restart() -> None:
    def at(*addresses: str) -> Cluster:
        devices = {slot: Device(address=IPv4Address(address)) for slot, address in enumerate(addresses)}
        return Cluster(stacks={0: Stack(devices=devices)})

    old = Config(cluster=at("10.77.0.9"), netboot=NET)
    new = Config(
        cluster=at("10.88.0.9", "10.88.0.10"), netboot=replace(NET, address=IPv4Interface("10.88.0.1/24"), first_host=9)
    )
    taken = live(old, new)
    assert taken.netboot == NET
    assert [device.address for device in taken.cluster.stacks[0].devices.values()] == [IPv4Address("10.77.0.9"), None]
    assert diff(old, new).needs_restart == diff(old, new).changed
