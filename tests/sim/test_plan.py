"""From a configuration and a nodes file to the rack that it expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.config.types import Cluster, Config, Device, Display, Stack
from graped.errors import ConfigError
from graped.hardware.drivers.gpio_relay import Options
from graped.hardware.sim.blueprint import NodeKind, StackKind
from graped.hardware.sim.plan import plan


def config(**stacks: Stack) -> Config:
    return Config(cluster=Cluster(stacks={int(key[1:]): stack for key, stack in stacks.items()}))


def test_boards_sit_where_the_configuration_says_or_on_bus_1() -> None:
    made = plan(config(_0=Stack(), _1=Stack(bus=0, address=5), _9=Stack(bus=1)))
    assert {key: (stack.bus, stack.address, stack.meter) for key, stack in made.stacks.items()} == {
        0: (1, 0, True),
        1: (0, 5, True),
        9: (1, 1, True),
    }
    assert made.display == (1, 0x20)
    assert set(made.stacks[0].nodes) == set(range(6))


def test_a_board_with_a1_set_or_without_a_meter_has_none() -> None:
    made = plan(config(_0=Stack(meter=False), _2=Stack(), _3=Stack()))
    assert [stack.meter for stack in made.stacks.values()] == [False, False, False]


def test_a_board_without_a_bus_gives_way_to_one_with_a_bus() -> None:
    made = plan(config(_0=Stack(), _8=Stack(bus=1)))
    assert (made.stacks[0].bus, made.stacks[8].bus) == (0, 1)


def test_other_drivers_have_their_own_hardware() -> None:
    made = plan(
        config(
            _0=Stack(driver="clusterhat"),
            _1=Stack(driver="gpio_relay", options=Options(pins={0: 5, 1: 6, 2: 5}, active_low=False)),
            _2=Stack(driver="command"),
        )
    )
    assert [stack.kind for stack in made.stacks.values()] == [StackKind.CLUSTERHAT, StackKind.RELAYS, StackKind.PORT]
    assert set(made.stacks[0].nodes) == {0, 1, 2, 3}
    assert made.stacks[1].relays == {5: (0, 2), 6: (1,)}
    assert not made.stacks[1].active_low
    assert made.display == (0, 0x20)  # the HAT has that address on bus 1


def test_the_display_can_be_switched_off_or_placed() -> None:
    assert plan(Config(display=Display(enabled=False))).display is None
    assert plan(Config(display=Display(bus=0, address=0x21))).display == (0, 0x21)


def test_nodes_take_mac_and_watts_of_their_devices_and_boot_in_their_own_time() -> None:
    made = plan(config(_0=Stack(devices={1: Device(mac="b8:27:eb:00:00:01", watts=4.5)})))
    node = made.stacks[0].nodes[1]
    assert (node.mac, node.watts, node.kind) == ("b8:27:eb:00:00:01", 4.5, NodeKind.SIMULATED)
    times = [other.boot_s for other in made.stacks[0].nodes.values()]
    assert all(6 <= boot_s <= 10 for boot_s in times)
    assert len(set(times)) == 6
    assert made == plan(config(_0=Stack(devices={1: Device(mac="b8:27:eb:00:00:01", watts=4.5)})))


def test_a_nodes_file_says_what_sits_where(tmp_path: Path) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text(
        """
        default = "external"
        scale = 0.1
        seed = 5
        [stacks.1]
        default = "simulated"
        [stacks.1.slots]
        3 = "empty"
        4 = { boot_s = 20, hang_at = "kernel", mac = "B8:27:EB:00:00:04", watts = 3 }
        """
    )
    made = plan(config(_0=Stack(), _1=Stack()), path)
    assert {node.kind for node in made.stacks[0].nodes.values()} == {NodeKind.EXTERNAL}
    nodes = made.stacks[1].nodes
    assert [node.kind.value for node in nodes.values()] == ["simulated"] * 3 + ["empty"] + ["simulated"] * 2
    assert (nodes[4].boot_s, nodes[4].hang_at, nodes[4].mac, nodes[4].watts) == (2.0, "kernel", "b8:27:eb:00:00:04", 3)
    assert 0.6 <= nodes[0].boot_s <= 1.0
    assert made.seed == 5


def test_a_nodes_file_tells_all_its_mistakes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text(
        """
        default = "simulatd"
        scale = 0
        sed = 1
        [stacks.7]
        [stacks.0.slots]
        6 = "empty"
        1 = "full"
        2 = { hang_at = "up", mac = "nonsense", boot_s = "long", wats = 3 }
        """
    )
    with pytest.raises(ConfigError) as caught:
        plan(config(_0=Stack()), path)
    found = {problem.key: problem.nearest for problem in caught.value.problems}
    assert found == {
        "default": "simulated",
        "scale": "",
        "sed": "seed",
        "stacks.7": "",
        "stacks.0.slots.6": "",
        "stacks.0.slots.1": "",
        "stacks.0.slots.2.hang_at": "",
        "stacks.0.slots.2.mac": "",
        "stacks.0.slots.2.boot_s": "",
        "stacks.0.slots.2.wats": "watts",
    }
    assert str(path) in str(caught.value)
