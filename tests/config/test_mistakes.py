"""What a wrong value, key or file says: all at once, each once, with where and what."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from graped.config.check import check
from graped.config.load import load

from .rig import DRIVERS, MAC, only, problems, write

TEN = """
[cluster]
nmae = "lab"                                    # 1 unknown key
[cluster.stacks.0]
address = "0"                                   # 2 text, not a number
budget_wats = 40.0                              # 3 unknown key
[cluster.stacks.0.devices.0]
mac = "B8:27:EB:2C:C0"                          # 4 too short
[cluster.stacks.0.devices.9]                    # 5 no such slot
mac = "b8:27:eb:00:00:01"
[cluster.stacks.1]
driver = "gpio_rellay"                          # 6 unknown driver
[cluster.stacks.2]
meter = true                                    # 7 A1 = 1
[cluster.stacks.16]                             # 8 no such stack
[power]
max_booting = 0                                 # 9 too small
[temperature]
overtemp_celsius = nan                          # 10 not a number
"""


def test_ten_mistakes_are_ten_problems_and_exit_code_2(tmp_path: Path) -> None:
    out = io.StringIO()
    code = check(write(tmp_path, TEN), DRIVERS, out)
    lines = out.getvalue().splitlines()
    assert code == 2
    assert lines[-1] == "10 errors"
    assert len(lines) == 11
    for key in (
        "cluster.nmae",
        "cluster.stacks.0.address",
        "cluster.stacks.0.budget_wats",
        "cluster.stacks.0.devices.0.mac",
        "cluster.stacks.0.devices.9",
        "cluster.stacks.1.driver",
        "cluster.stacks.2.meter",
        "cluster.stacks.16",
        "power.max_booting",
        "temperature.overtemp_celsius",
    ):
        assert sum(f"config.toml: {key}: " in line for line in lines) == 1, key


def test_a_problem_is_one_line_with_file_key_expected_found_and_nearest(tmp_path: Path) -> None:
    problem = only(tmp_path, '[cluster]\nnmae = "x"')
    path = tmp_path / "config.toml"
    assert (
        str(problem) == f"{path}: cluster.nmae: expected a known key (name, stacks), found 'nmae'; did you mean 'name'?"
    )


@pytest.mark.parametrize(
    ("text", "key", "expected", "found"),
    [
        ('[power]\nstagger_s = "5"', "power.stagger_s", "a number of seconds, 0 to 600", "'5'"),
        ("[power]\nstagger_s = true", "power.stagger_s", "a number of seconds, 0 to 600", "true"),
        ("[power]\nstagger_s = -0.5", "power.stagger_s", "a number of seconds, 0 to 600", "-0.5"),
        ("[power]\nstagger_s = inf", "power.stagger_s", "a finite number", "inf"),
        ("[power]\nstagger_s = nan", "power.stagger_s", "a finite number", "nan"),
        ("[power]\nstagger_s = 1e9", "power.stagger_s", "a number of seconds, 0 to 600", "1000000000.0"),
        ("[power]\nnode_watts = 0", "power.node_watts", "a number of watts, above 0 and up to 1000", "0"),
        ("[power]\nmax_inrush = true", "power.max_inrush", "a whole number, 1 to 96", "true"),
        ("[power]\nmax_inrush = 2.0", "power.max_inrush", "a whole number, 1 to 96", "2.0"),
        ("[power]\nmax_inrush = 0", "power.max_inrush", "a whole number, 1 to 96", "0"),
        ("[power]\nmax_inrush = 0xffffffffffffffffff", "power.max_inrush", "a number of 64 bits", "a longer one"),
        (
            "[power]\nat_start = 1979-05-27",
            "power.at_start",
            "text, a number, true, false, a list or a table",
            "a date or time",
        ),
        ("[power]\nat_start = 5", "power.at_start", "'adopt', 'restore' or 'on'", "5"),
        ("power = 5", "power", "a table", "5"),
        ("[display]\naddress = 0x30", "display.address", "the address of a PCA9555, 32 to 39", "48"),
        ("[display]\nenabled = 1", "display.enabled", "true or false", "1"),
        ("[gpio]\novertemp_pin = 28", "gpio.overtemp_pin", "a BCM pin number, 0 to 27", "28"),
        ("[gpio]\novertemp_pin = true", "gpio.overtemp_pin", "a BCM pin number, 0 to 27", "true"),
        ('[api]\nsocket = "graped.sock"', "api.socket", "an absolute path of at most 107 bytes", "'graped.sock'"),
        ('[api]\ngroup = ""', "api.group", "the name of a group", "''"),
        ('[cluster]\nname = "\\n"', "cluster.name", "a name of 1 to 64 characters", "'\\n'"),
        ("[cluster]\nstacks = []", "cluster.stacks", "a table", "[]"),
        ("[cluster]\nstacks.00 = {}", "cluster.stacks.00", "a stack key, 0 to 15", "'00'"),
        ("[cluster]\nstacks.x = {}", "cluster.stacks.x", "a stack key, 0 to 15", "'x'"),
        ("[cluster.stacks]\n0 = 5", "cluster.stacks.0", "a table", "5"),
        ("[cluster.stacks.0]\nbus = 2", "cluster.stacks.0.bus", "an I2C bus, 0 to 1", "2"),
        (
            "[cluster.stacks.0]\naddress = 8",
            "cluster.stacks.0.address",
            "the address set by A0, A1 and A2, 0 to 7",
            "8",
        ),
        ("[cluster.stacks.0]\ndevices = 5", "cluster.stacks.0.devices", "a table", "5"),
        ("[cluster.stacks.0.devices]\nx = {}", "cluster.stacks.0.devices.x", "the number of a slot", "'x'"),
        ("[cluster.stacks.0.devices]\n1 = 5", "cluster.stacks.0.devices.1", "a table", "5"),
        ("[cluster.stacks.0.devices]\n6 = {}", "cluster.stacks.0.devices.6", "a slot of this stack (0-5)", "6"),
        (
            "[cluster.stacks.0.devices.0]\nname = '-a'",
            "cluster.stacks.0.devices.0.name",
            "a host name (letters, digits and inner dashes, at most 63)",
            "'-a'",
        ),
    ],
)
def test_a_wrong_value_is_told_once(tmp_path: Path, text: str, key: str, expected: str, found: str) -> None:
    problem = only(tmp_path, text)
    assert (problem.key, problem.expected, problem.found) == (key, expected, found)
    assert problem.file == str(tmp_path / "config.toml")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("[powr]", "power"),
        ("[power]\nstagger = 1", "stagger_s"),
        ("[power]\nmaxbooting = 1", "max_booting"),
        ('[power]\nat_start = "restor"', "restore"),
        ("[cluster.stack.0]", "stacks"),
        ("[cluster.stacks.0]\nadress = 1", "address"),
        ("[cluster.stacks.0.devices.0]\nMAC = 'x'", "mac"),
        ("[cluster.stacks.0]\ndriver = 'relay'", "gpio_relay"),
        ("[cluster.stacks.0]\ndriver = 'gpio_relay'\noptions = { activelow = true }", "active_low"),
        ("at_start = 'on'", "power.at_start"),
        ("[power]\nzzz = 1", ""),
    ],
)
def test_what_was_perhaps_meant_is_told(tmp_path: Path, text: str, nearest: str) -> None:
    assert only(tmp_path, text).nearest == nearest


@pytest.mark.parametrize("mac", ["B8:27:EB:2C:C0:04", "b8-27-eb-2c-c0-04", "b827.eb2c.c004", "B827EB2CC004"])
def test_every_notation_of_a_mac_is_understood(tmp_path: Path, mac: str) -> None:
    path = write(tmp_path, f'[cluster.stacks.0.devices.0]\nmac = "{mac}"')
    assert load(path, DRIVERS).config.cluster.stacks[0].devices[0].mac == MAC


@pytest.mark.parametrize(
    ("mac", "expected"),
    [
        ("00:00:00:00:00:00", "the MAC address of a node, not all zero"),
        ("ff:ff:ff:ff:ff:ff", "the MAC address of one node, not a multicast or broadcast one"),
        ("01:00:5e:00:00:01", "the MAC address of one node, not a multicast or broadcast one"),
        ("b8:27:eb:2c:c0", "a MAC address such as b8:27:eb:2c:c0:04"),
        ("b8:27-eb:2c:c0:04", "a MAC address such as b8:27:eb:2c:c0:04"),
        ("b8:27:eb:2c:c0:0g", "a MAC address such as b8:27:eb:2c:c0:04"),
        (" b8:27:eb:2c:c0:04", "a MAC address such as b8:27:eb:2c:c0:04"),
    ],
)
def test_what_no_node_can_have_as_mac_is_refused(tmp_path: Path, mac: str, expected: str) -> None:
    assert only(tmp_path, f'[cluster.stacks.0.devices.0]\nmac = "{mac}"').expected == expected


def test_options_are_validated_against_the_drivers_dataclass(tmp_path: Path) -> None:
    text = """
    [cluster.stacks.0]
    driver = "tool"
    options = { on = ["a", 1], wire = { colour = 5, length = 3 }, mode = [] }
    """
    told = {(problem.key, problem.expected, problem.found) for problem in problems(tmp_path, text)}
    at = "cluster.stacks.0.options"
    assert told == {
        (f"{at}.on.1", "text in quotes", "1"),
        (f"{at}.off", "a value", "nothing"),
        (f"{at}.wire.colour", "text in quotes", "5"),
        (f"{at}.wire.length", "a known key (colour, length_mm)", "'length'"),
        (f"{at}.mode", "a whole number or text in quotes", "[]"),
    }


def test_a_sentence_of_the_drivers_own_is_passed_on(tmp_path: Path) -> None:
    problem = only(tmp_path, "[cluster.stacks.3]\ndriver = 'gpio_relay'\noptions = { pin = 4, pins = { 0 = 5 } }")
    assert str(problem).endswith("config.toml: cluster.stacks.3.options: give pins or pin, not both")


def test_a_driver_from_outside_that_breaks_is_told_not_raised(tmp_path: Path) -> None:
    problem = only(tmp_path, "[cluster.stacks.3]\ndriver = 'broken'\ndevices.0.mac = ''")
    assert "driver broken cannot tell its slots: no idea" in str(problem)


def test_pins_that_a_driver_from_outside_cannot_tell_are_told(tmp_path: Path) -> None:
    problem = only(tmp_path, "[cluster.stacks.3]\ndriver = 'pinless'")
    assert "driver pinless cannot tell its pins: no idea" in str(problem)


def test_a_value_is_never_told_at_length(tmp_path: Path) -> None:
    assert len(only(tmp_path, f"[power]\nmax_inrush = '{'x' * 5000}'").found) < 80
    assert only(tmp_path, f"api.socket = '/{'x' * 107}'").key == "api.socket"


def test_the_same_slot_in_two_spellings_is_refused(tmp_path: Path) -> None:
    text = "[cluster.stacks.3]\ndriver = 'gpio_relay'\noptions = { pins = { 1 = 5, 01 = 6 } }"
    assert only(tmp_path, text).expected == "each key once"
