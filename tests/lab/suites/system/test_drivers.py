"""graped without ``--simulate``, on the kernel's own I2C and GPIO drivers: see :mod:`tests.lab.suites.system.board`.

One guest serves all tests, in this order; each says what it needs of graped and leaves it as the next one may find it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from tests.lab.conftest import why_not
from tests.lab.run import Run
from tests.lab.suites.system.board import Board, Write, until
from tests.lab.suites.system.chips import ADDRESSES, DISPLAY, METER, PORT, THERMOMETER

RELAY: Final = 5  # of worker-4-0; low is on
OVERTEMP: Final = 27
TOUCHED: Final = 17  # the display's interrupt line
NOT_PUSHED: Final = 0x20
ONE_CLICK: Final = (0b01, 0b11, 0b10, 0b00)  # what the knob's two contacts show on its way to the right
SLOT_1_ON: Final = 0xBF  # of the port: slot 1 is bit 6, low is on
SLOTS_0_1_ON: Final = 0xBD
ALL_OFF: Final = 0xFF
SOON: Final = timedelta(seconds=10)  # nothing but the line tells of it; a busy machine may think for seconds

CONFIG: Final = """
[power]
stagger_s = 0.05
inrush_s = 0.1
max_inrush = 6
cycle_off_s = 0.2
[bus]
deadline_s = 1.0
[poll]
power_s = 1.1
meters_s = 0.3
retry_max_s = 1.0
[display]
refresh_s = 600.0
[temperature]
overtemp_celsius = 70.0
hysteresis_celsius = 65.0
emergency_celsius = 80.0
[cluster.stacks.0.devices]
0 = { mac = "02:00:00:00:00:00" }
1 = { mac = "02:00:00:00:00:01" }
[cluster.stacks.1.devices]
0 = { mac = "02:00:00:00:01:00" }
[cluster.stacks.4]
driver = "gpio_relay"
options = { pins = { 0 = 5, 1 = 6 }, accept_power_loss = true }
[cluster.stacks.4.devices]
0 = { mac = "02:00:00:00:04:00" }
"""
LOOK: Final = """python3 -c '
from graped.hardware.gpio_lines import LinePins, header_chip
pins = LinePins(header_chip(), lambda: True)
for pin in (5, 12): print(pins.function(pin), pins.level(pin))'
"""
REFUSED: Final = CONFIG.replace("accept_power_loss = true", "accept_power_loss = false")


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    if reason := why_not():
        pytest.skip(reason)
    with Run() as run:
        board = Board(run)
        board.plug_in_bus()
        for pin in (RELAY, RELAY + 1):
            board.pull(pin, up=True)  # a relay board's own resistors
        board.config(CONFIG)
        yield board


def to_port(writes: list[Write]) -> list[int]:
    return [write.value for write in writes if write.address == PORT]


def test_a_board_is_found_adopted_and_set_up_without_a_byte_to_its_port(board: Board) -> None:
    board.do(f"python3 /chips.py send {SLOT_1_ON}")
    before = board.mark()
    board.start()
    assert (board.stack(0)["state"], board.stack(0)["bus"], board.stack(0)["address"]) == ("ok", 0, 0)
    assert board.observed("worker-0-[0-1]") == ["off", "on"]
    missing = board.stack(1)
    assert missing["state"] == "missing"
    assert "0x39 on bus 0: no acknowledge" in missing["fault"]["message"]  # i2c-stub's ENODEV; a Pi's is EREMOTEIO
    assert "bus 1 is not there" in missing["fault"]["message"]
    limits = {Write(address=THERMOMETER, register=3, value=70), Write(address=THERMOMETER, register=2, value=65)}
    meter = {Write(address=METER, register=0, value=0x1F2C), Write(address=METER, register=5, value=0x0028)}
    until(lambda: set(board.written(before)) >= meter | limits)  # words, low byte first
    assert {write for write in board.written(before) if write.address != DISPLAY} == meter | limits
    assert board.port() == SLOT_1_ON


def test_meters_tell_volts_amps_and_degrees_as_the_data_sheets_say(board: Board) -> None:
    steps_of_4_mv = 0x5D98 >> 3  # SBOS448: 11.98 V; bit 1 says that the conversion is ready
    board.set_word(METER, 2, steps_of_4_mv << 3 | 0b10)
    board.set_word(METER, 4, 0x2710)
    board.set_word(THERMOMETER, 0, 0xE700)  # MAX7500, table 2: -25 degrees
    step_a = 0.04096 / (board.word(METER, 5) * 0.02)  # 8.5.1, equation 1, with the shunt of 0.02 ohms

    def told() -> dict[str, int]:
        return {name: meter["value"] for name, meter in board.stack(0)["meters"].items()}

    assert round(0x2710 * step_a * 1000) == 2000
    wanted = {"temperature": -25_000, "voltage": 11_980, "current": 2000, "power": 11_980 * 2}
    until(lambda: wanted.items() <= told().items())  # each is read by itself, perhaps before the next is put in
    board.set_word(METER, 4, 0x10000 - 500)  # two's complement
    board.set_word(THERMOMETER, 0, 0x1980)
    until(lambda: {"temperature": 25_500, "current": -100}.items() <= told().items())


def test_slots_go_on_and_off_byte_by_byte_and_the_chip_says_so(board: Board) -> None:
    before = board.mark()
    assert board.switch("off", "worker-0-1")["outcome"] == "done"
    assert board.port() == ALL_OFF
    assert board.switch("on", "worker-0-[0-1]")["outcome"] == "done"
    assert board.port() == SLOTS_0_1_ON
    assert board.switch("cycle", "worker-0-0")["outcome"] == "done"
    assert to_port(board.written(before)) == [ALL_OFF, 0xFD, SLOTS_0_1_ON, SLOT_1_ON, SLOTS_0_1_ON]
    assert board.get("/v1/status")["counters"]["repairs"] == 0


def test_a_chip_that_is_pulled_out_is_a_fault_of_its_stack_until_it_is_back(board: Board) -> None:
    board.set_chips(0x77, *ADDRESSES[1:])
    fault = until(lambda: board.stack(0)["fault"])
    assert fault["message"] == "no answer"
    assert board.observed("worker-0-[0-1]") == ["unknown", "unknown"]
    assert board.stack(4)["fault"] is None
    board.set_chips(*ADDRESSES)
    until(lambda: board.stack(0)["state"] == "ok")
    assert board.observed("worker-0-[0-1]") == ["on", "on"]
    assert "unavailable" in board.pull_out_bus(code=1)  # the kernel keeps a bus that graped has open


def test_the_knobs_line_has_the_display_looked_at_at_once(board: Board) -> None:
    until(lambda: of_kind(board, "display.found"))
    before = board.mark()
    for contacts in ONE_CLICK:
        port = NOT_PUSHED | contacts << 6
        board.set_byte(DISPLAY, 1, port)
        board.pull(TOUCHED, up=False)  # nothing else makes graped look: it is told to every ten minutes
        until(lambda port=port: f"addr 0x20, read  0x{port:02x} at 0x01" in board.trace(before))
        board.pull(TOUCHED, up=True)
    until(lambda: (DISPLAY, 2) in {(write.address, write.register) for write in board.written(before)})


def test_the_over_temperature_line_alarms_at_once_and_cuts_what_is_hot(
    board: Board, record_property: pytest.RecordProperty
) -> None:
    pulled = board.pull(OVERTEMP, up=False)
    (alarm,) = until(lambda: of_kind(board, "temperature.alarm"))
    took = datetime.fromisoformat(alarm["time"]) - pulled
    assert took < SOON
    record_property("summary", f"over-temperature line low: alarm after {took / timedelta(milliseconds=1):.0f} ms")
    time.sleep(1.5)  # longer than two readings, of 25.5 degrees
    assert board.port() == SLOTS_0_1_ON
    board.pull(OVERTEMP, up=True)
    until(lambda: of_kind(board, "temperature.normal"))
    board.set_word(THERMOMETER, 0, 85 << 8)
    board.pull(OVERTEMP, up=False)
    until(lambda: board.observed("worker-0-[0-1]") == ["off", "off"])
    assert board.port() == ALL_OFF
    board.set_word(THERMOMETER, 0, 0x1980)
    board.pull(OVERTEMP, up=True)
    until(lambda: board.stack(0)["meters"]["temperature"]["value"] == 25_500)  # or it would be cut again


def test_a_kill_leaves_the_port_as_it_is_and_relays_are_told_of_truly(board: Board) -> None:
    assert board.level(RELAY) is True
    assert board.switch("on", "worker-4-0")["outcome"] == "done"
    assert (board.level(RELAY), board.observed("worker-4-0")) == (False, ["on"])
    assert board.switch("on", "worker-0-1")["outcome"] == "done"
    before = board.mark()
    board.stop("KILL")
    until(lambda: board.level(RELAY))  # this kernel lets lines go: accept_power_loss was set
    assert board.port() == SLOT_1_ON
    # What graped would see of such a line where the kernel keeps outputs, and of one that nobody has used.
    assert board.do(LOOK).split() == ["output", "True", "input", "False"]
    board.start()
    assert board.observed("worker-0-[0-1]") == ["off", "on"]
    assert to_port(board.written(before)) == []
    assert board.observed("worker-4-0") == ["unknown"]
    (told,) = until(lambda: of_kind(board, "port.unknown_since_end"))
    assert "worker-4-0" in told["message"]
    assert board.level(RELAY) is True  # nobody asked for it
    assert board.switch("on", "worker-4-0")["outcome"] == "done"
    assert board.switch("off", "worker-4-0")["outcome"] == "done"
    assert (board.level(RELAY), board.observed("worker-4-0")) == (True, ["off"])
    board.stop("TERM")
    assert board.port() == SLOT_1_ON
    assert ".lgd" not in board.do("ls -A /")  # lgpio's pipe


def test_relays_that_would_let_go_are_refused(board: Board) -> None:
    board.config(REFUSED)
    said = board.do("python3 -m graped --check-config /run/grape/config.toml", code=2)
    assert "cluster.stacks.4.driver: relays would let go whenever graped ends" in said
    assert "accept_power_loss = true" in said


def test_a_bus_that_is_missing_is_told_with_a_hint_and_taken_when_it_comes(board: Board) -> None:
    board.pull_out_bus()
    board.start()
    fault = board.stack(0)["fault"]
    assert "I2C bus 0 is not there" in fault["message"]
    assert "i2c-dev" in fault["hint"]
    refused = board.stack(4)["fault"]
    assert "relays would let go whenever graped ends" in refused["message"]
    assert "accept_power_loss" in refused["hint"]
    board.plug_in_bus()
    until(lambda: board.stack(0)["state"] == "ok")
    until(lambda: "temperature" in board.stack(0)["meters"])
    assert board.observed("worker-0-[0-1]") == ["off", "off"]
    board.stop("TERM")


def test_who_may_not_use_bus_and_pins_is_told_which_groups_it_takes(board: Board) -> None:
    board.do("chown -R nobody /run/grape && chmod 600 /dev/i2c-0 /dev/gpiochip*")
    board.start("setpriv --reuid=65534 --regid=65534 --clear-groups")
    fault = board.stack(0)["fault"]
    assert "bus 0 may not be opened" in fault["message"]
    assert "group i2c" in fault["hint"]
    (gpio,) = until(lambda: board.get("/v1/status")["faults"])
    assert "Permission denied" in gpio["message"]
    assert "group gpio" in gpio["hint"]
    board.do("chmod 666 /dev/i2c-0 /dev/gpiochip*")
    until(lambda: board.stack(0)["state"] == "ok" and not board.get("/v1/status")["faults"])
    board.stop("TERM")


def of_kind(board: Board, kind: str) -> list[dict[str, Any]]:
    return [event for event in board.events() if event["kind"] == kind]
