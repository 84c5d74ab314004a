"""Rules between values: the board's, names, pins, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.model import SlotId

from .rig import MAC, OTHER_MAC, accept, only, problems


def stacks(*lines: str) -> str:
    """Write ``3: bus = 1, address = 0`` as a stack."""
    written = []
    for line in lines:
        key, _, settings = line.partition(":")
        written += [f"[cluster.stacks.{key}]", *(part.strip() for part in settings.split(";"))]
    return "\n".join(written) + "\n"


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        stacks(*(f"{key}:" for key in range(8))),
        stacks(*(f"{key}: bus = 0" for key in range(8)), *(f"{key}:" for key in range(8, 16))),
        stacks("0: bus = 1", "1: bus = 0; address = 0"),
        stacks("8: bus = 0", "0: bus = 1"),
        stacks("0:", "8: driver = 'gpio_relay'"),
    ],
)
def test_addresses_that_can_be_told_apart_are_accepted(tmp_path: Path, text: str) -> None:
    accept(tmp_path, text)


def test_address_follows_from_the_key(tmp_path: Path) -> None:
    config = accept(tmp_path, stacks("3:", "12:", "5: address = 0")).config
    assert [config.address_of(key) for key in (3, 5, 12)] == [3, 0, 4]


def test_one_address_twice_on_one_bus_is_refused(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks("0: bus = 1", "9: address = 0"))
    assert problem.key == "cluster.stacks.9.address"
    assert problem.expected == "an address of its own on bus 1 (stack 0 has address 0 there)"


def test_two_open_buses_with_one_address_say_what_to_set(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks("2:", "3: address = 2"))
    assert problem.key == "cluster.stacks.3.bus"
    assert "the other one for stack 2" in problem.expected


def test_an_open_bus_beside_a_given_one_says_what_to_set(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks("0:", "8:"))
    assert (problem.key, problem.found) == ("cluster.stacks.0.bus", "no bus")
    assert problem.expected == "bus = 0, because stack 8 has address 0 on bus 1"


def test_three_boards_at_one_address_are_a_problem_a_pair(tmp_path: Path) -> None:
    found = problems(tmp_path, stacks("0: bus = 0", "1: bus = 0; address = 0", "2: bus = 0; address = 0"))
    assert len(found) == 3


def test_a_wrong_address_does_not_also_collide(tmp_path: Path) -> None:
    assert only(tmp_path, stacks("0:", "8: bus = 0; address = 'x'")).key == "cluster.stacks.8.address"


@pytest.mark.parametrize("address", range(8))
def test_a_meter_only_where_a1_is_0(tmp_path: Path, address: int) -> None:
    text = stacks(f"3: address = {address}; meter = true")
    if address & 2:
        problem = only(tmp_path, text)
        assert problem.key == "cluster.stacks.3.meter"
        assert "A1" in problem.expected
        accept(tmp_path, text.replace("true", "false"))
    else:
        accept(tmp_path, text)


def test_a_meter_is_judged_also_where_the_bus_is_wrong(tmp_path: Path) -> None:
    keys = {problem.key for problem in problems(tmp_path, stacks("2: bus = 3; meter = true"))}
    assert keys == {"cluster.stacks.2.bus", "cluster.stacks.2.meter"}


@pytest.mark.parametrize("setting", ["bus = 1", "address = 1", "meter = false", "shunt_ohms = 0.1"])
def test_keys_of_the_board_are_refused_on_other_drivers(tmp_path: Path, setting: str) -> None:
    name = setting.split()[0]
    problem = only(tmp_path, stacks(f"3: driver = 'gpio_relay'; {setting}"))
    assert problem.key == f"cluster.stacks.3.{name}"
    hat = stacks(f"3: driver = 'clusterhat'; {setting}")
    if name == "bus":
        accept(tmp_path, hat)
    else:
        assert only(tmp_path, hat).key == f"cluster.stacks.3.{name}"


# --- expanders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "display", ["", "enabled = true", "bus = 0", "bus = 1; enabled = false", "bus = 1; address = 0x21"]
)
def test_a_display_that_is_not_said_to_be_where_a_clusterhat_is_may_be(tmp_path: Path, display: str) -> None:
    accept(tmp_path, stacks("3: driver = 'clusterhat'") + "[display]\n" + display.replace("; ", "\n"))


@pytest.mark.parametrize("enabled", ["", "enabled = true"])
def test_a_display_cannot_be_where_a_clusterhat_is(tmp_path: Path, enabled: str) -> None:
    problem = only(tmp_path, stacks("3: driver = 'clusterhat'") + f"[display]\nbus = 1\n{enabled}")
    assert problem.key == "display.bus"
    assert "ClusterHAT of stack 3" in problem.expected


def test_two_clusterhats_need_two_buses(tmp_path: Path) -> None:
    hats = stacks("3: driver = 'clusterhat'", "4: driver = 'clusterhat'")
    assert only(tmp_path, hats).key == "cluster.stacks.4.bus"
    accept(tmp_path, stacks("3: driver = 'clusterhat'; bus = 0", "4: driver = 'clusterhat'"))


# --- devices --------------------------------------------------------------------------------------------


def test_no_mac_twice_whatever_its_notation(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks(f"0: devices.1.mac = '{MAC}'", "1: devices.0.mac = 'B827.EB2C.C004'"))
    assert problem.key == "cluster.stacks.1.devices.0.mac"
    assert problem.expected == "a MAC address of its own, not that of cluster.stacks.0.devices.1.mac"
    assert problem.found == f"'{MAC}'"


def test_of_two_files_the_later_one_is_told_and_the_other_named(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks(f"1: devices.0.mac = '{MAC}'"), more=stacks(f"0: devices.0.mac = '{MAC.upper()}'"))
    assert problem.file.endswith("more.toml")
    assert problem.key == "cluster.stacks.0.devices.0.mac"
    assert problem.expected.endswith(f"cluster.stacks.1.devices.0.mac (in {tmp_path / 'config.toml'})")


def test_names_are_unique_in_any_case(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks("0: devices.0.name = 'Alpha'; devices.1.name = 'alpha'"))
    assert problem.key == "cluster.stacks.0.devices.1.name"


def test_no_name_is_what_another_slot_is_called(tmp_path: Path) -> None:
    problem = only(tmp_path, stacks("0: devices.0.name = 'worker-1-3'", "1:"))
    assert "slot 3 of stack 1" in problem.expected
    accept(tmp_path, stacks("0: devices.0.name = 'worker-0-0'; devices.1.name = 'worker-2-3'", "1:"))


def test_only_slots_of_the_driver_have_devices(tmp_path: Path) -> None:
    hat = stacks(f"3: driver = 'clusterhat'; devices.4.mac = '{OTHER_MAC}'")
    problem = only(tmp_path, hat)
    assert (problem.key, problem.expected) == ("cluster.stacks.3.devices.4", "a slot of this stack (0-3)")
    relay = stacks(f"3: driver = 'gpio_relay'; options.pins = {{ 0 = 5, 2 = 6, 3 = 7 }}; devices.1.mac = '{MAC}'")
    assert only(tmp_path, relay).expected == "a slot of this stack (0, 2-3)"


def test_a_device_without_a_mac_is_one(tmp_path: Path) -> None:
    config = accept(tmp_path, stacks("0: devices.2.watts = 4.5")).config
    assert config.watts_of(SlotId(0, 2)) == 4.5
    assert config.watts_of(SlotId(0, 3)) == 7.0


# --- pins -----------------------------------------------------------------------------------------------


def test_no_two_drivers_on_one_pin(tmp_path: Path) -> None:
    problem = only(
        tmp_path,
        stacks(
            "1: driver = 'gpio_relay'; options.pin = 5",
            "2: driver = 'gpio_relay'; options.pins = { 0 = 6, 3 = 5 }",
        ),
    )
    assert problem.key == "cluster.stacks.2.options.pins.3"
    assert problem.expected == "a BCM pin of its own, not that of cluster.stacks.1.options.pin"


def test_the_pins_of_the_interrupt_lines_are_taken(tmp_path: Path) -> None:
    relay = stacks("1: driver = 'gpio_relay'; options.pins = { 0 = 17, 1 = 27 }")
    first, second = problems(tmp_path, relay)
    assert first.expected == "a BCM pin of its own, not that of gpio.display_pin (by default)"
    assert second.key == "cluster.stacks.1.options.pins.1"
    freed = accept(tmp_path, relay + "[gpio]\ndisplay_pin = false\novertemp_pin = 22").config.gpio
    assert (freed.display_pin, freed.overtemp_pin) == (None, 22)


def test_one_pin_for_both_interrupt_lines_is_refused(tmp_path: Path) -> None:
    assert only(tmp_path, "[gpio]\ndisplay_pin = 27").key == "gpio.display_pin"


def test_a_pin_twice_inside_one_driver_is_refused_where_its_spec_tells_two_paths(tmp_path: Path) -> None:
    text = stacks("1: driver = 'gpio_relay'; options.pins = { 0 = 5, 1 = 5 }")
    assert only(tmp_path, text).key == "cluster.stacks.1.options.pins.1"


def test_the_pins_of_a_bus_that_a_stack_is_on_are_taken(tmp_path: Path) -> None:
    relay = "1: driver = 'gpio_relay'; options.pin = 2"
    assert only(tmp_path, stacks("9:", "12:", relay)).expected == (
        "a BCM pin of its own, not that of cluster.stacks.9.bus (by default)"
    )
    accept(tmp_path, stacks("9: bus = 0", relay))


# --- limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("bus.deadline_s = 1.0", "bus.deadline_s"),
        ("poll.power_s = 0.2", "poll.power_s"),
        ("temperature.hysteresis_celsius = 70", "temperature.hysteresis_celsius"),
        ("temperature.overtemp_celsius = 60", "temperature.overtemp_celsius"),
        ("temperature.emergency_celsius = 69.5", "temperature.emergency_celsius"),
        ("temperature = { emergency_celsius = 80, overtemp_celsius = 81 }", "temperature.overtemp_celsius"),
        ("temperature.emergency_celsius = 70", ""),
        ("cluster.stacks.0 = { budget_watts = 6.9 }", "cluster.stacks.0.budget_watts"),
        ("cluster.stacks.0 = { budget_watts = 7 }", ""),
        ("cluster.stacks.0 = { budget_watts = 9, devices.3 = { watts = 9.5 } }", "cluster.stacks.0.budget_watts"),
        ("cluster.stacks.0 = { budget_watts = 3, devices.3 = { watts = 3 } }", ""),
    ],
)
def test_limits_are_in_order(tmp_path: Path, text: str, key: str) -> None:
    if key:
        assert only(tmp_path, text).key == key
    else:
        accept(tmp_path, text)


def test_a_limit_that_is_no_number_is_told_once(tmp_path: Path) -> None:
    assert only(tmp_path, "temperature.overtemp_celsius = '70'").key == "temperature.overtemp_celsius"
    assert only(tmp_path, "cluster.stacks.0 = { budget_watts = 6, devices.0.watts = -1 }").key.endswith("watts")


def test_a_relay_of_more_slots_than_may_come_on_at_once_is_warned_of(tmp_path: Path) -> None:
    text = '[cluster.stacks.0]\ndriver = "gpio_relay"\noptions = { pin = 5 }\n'
    (warning,) = accept(tmp_path, text).warnings
    assert "cluster.stacks.0.options: a relay switches 6 slots at once, and power.max_inrush is 4" in warning
    assert accept(tmp_path, text + "[power]\nmax_inrush = 6\n").warnings == ()
    found = accept(tmp_path, text + "[power]\nmax_inrush = 6\nmax_booting = 5\n").warnings
    assert len(found) == 1
    assert "power.max_booting is 5" in found[0]
