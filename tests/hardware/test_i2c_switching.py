"""Slots are sacred: what a switch may do to a port, whatever the wire does to it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.core.events import SwitchEnd
from graped.errors import BusMissing, BusNack, DriverError
from graped.hardware.bus import PatientBus
from graped.hardware.chips.pcf8574 import BOARD_LAYOUT
from graped.hardware.drivers.registry import StackLocation
from graped.hardware.drivers.stack import StackPort
from graped.hardware.switching import MAX_WRITES, Switched, look, switch
from graped.model import PortLayout, PortReading
from tests.hardware.i2c_fakes import FakeBus, FakeClock, Noise, PortChip

ADDRESS = 0x38


class Rig:
    """A stack on a bus that can be made noisy."""

    def __init__(self, pins: int = 0xFF) -> None:
        self.clock = FakeClock(tick_s=0.0001)
        self.wire = FakeBus(1, self.clock)
        self.chip = PortChip(pins)
        self.wire.chips[ADDRESS] = self.chip
        self.bus = PatientBus(self.wire, clock=self.clock, sleep=self.clock.sleep)
        self.port = StackPort(self.bus, StackLocation(bus=1, address=0), 0.25)

    def switch(self, base: int, value: int, *, repair: bool = False) -> Switched:
        return switch(self.port, base, value, repair=repair, clock=self.clock)

    @property
    def sent(self) -> list[int]:
        return [seen.data for seen in self.wire.log if seen.op == "send_byte" and seen.data is not None]


def test_a_switch_on_a_quiet_wire_costs_one_byte() -> None:
    rig = Rig(0xFF)
    result = rig.switch(0xFF, 0xFD)
    assert result == Switched(end=SwitchEnd.VERIFIED, reading=PortReading(value=0xFD, known=0xFF), writes=1)
    assert rig.sent == [0xFD]
    assert rig.wire.ops(ADDRESS) == ["receive_byte"] * 6 + ["send_byte"] + ["receive_byte"] * 6


def test_a_port_that_is_not_base_is_not_written() -> None:
    rig = Rig(0xBF)
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.reading) == (SwitchEnd.REFUSED, PortReading(value=0xBF, known=0xFF))
    assert rig.sent == []


def test_a_port_that_cannot_be_read_is_not_written() -> None:
    rig = Rig()
    del rig.wire.chips[ADDRESS]
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.code, result.reading) == (SwitchEnd.UNWRITTEN, "bus_nack", None)
    assert result.errors == 6
    assert rig.sent == []


def test_a_port_whose_reads_disagree_is_not_written() -> None:
    rig = Rig()
    rig.wire.noise = Noise(flip=1.0)
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.code) == (SwitchEnd.UNWRITTEN, "port_unsure")
    assert rig.sent == []


class FlipsWrites(PortChip):
    """Bytes arrive with these bits flipped, one mask each."""

    def __init__(self, pins: int, masks: list[int]) -> None:
        super().__init__(pins)
        self.masks = masks

    def write(self, data: list[int]) -> None:
        mask = self.masks.pop(0) if self.masks else 0
        super().write([byte ^ mask for byte in data])


@pytest.mark.parametrize(
    ("masks", "repairs"),
    [([0x40], 1), ([0x02], 1), ([0x80], 1), ([0x40, 0x20, 0x02], 3)],  # 0x02 makes the byte equal to base
)
def test_a_byte_that_arrives_changed_is_repaired(masks: list[int], repairs: int) -> None:
    rig = Rig()
    rig.wire.chips[ADDRESS] = chip = FlipsWrites(0xFF, masks)
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.repairs, result.writes) == (SwitchEnd.VERIFIED, repairs, repairs + 1)
    assert chip.latch == 0xFD
    assert set(rig.sent) == {0xFD}


def test_a_byte_that_was_refused_is_sent_again_and_not_called_a_repair() -> None:
    rig = Rig()
    rig.wire.fail_next = []
    reads = 6

    class Refuses(PortChip):
        def write(self, data: list[int]) -> None:
            if len(rig.sent) == 1:
                raise BusNack("noise")
            super().write(data)

    rig.wire.chips[ADDRESS] = Refuses(0xFF)
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.repairs, result.writes) == (SwitchEnd.VERIFIED, 0, 2)
    assert rig.wire.ops(ADDRESS).index("send_byte") == reads


def test_a_port_that_went_elsewhere_is_left_alone() -> None:
    rig = Rig()
    rig.wire.chips[ADDRESS] = FlipsWrites(0xDF, [0x60])  # two bits: no single flip explains it
    result = rig.switch(0xDF, 0xDD)
    assert (result.end, result.writes) == (SwitchEnd.FOREIGN, 1)
    assert result.reading == PortReading(value=0xDD ^ 0x60, known=0xFF)


def test_a_byte_that_arrived_changed_when_the_time_is_over_is_told_as_unfinished() -> None:
    rig = Rig()
    rig.wire.chips[ADDRESS] = FlipsWrites(0xDF, [0x40])
    result = switch(rig.port, 0xDF, 0xDD, deadline_s=0.0, clock=rig.clock)
    assert (result.end, result.writes) == (SwitchEnd.UNFINISHED, 1)
    assert result.reading == PortReading(value=0xDD ^ 0x40, known=0xFF)


def test_an_outage_that_looks_like_a_flipped_bit_is_not_repaired_once_the_byte_was_seen() -> None:
    class LosesPower(PortChip):
        """Loses its power while it is read back."""

        reads_left = 4

        def read(self, count: int) -> list[int]:
            if rig.sent:
                self.reads_left -= 1
                if self.reads_left < 0:
                    self.latch = 0xFF
            return super().read(count)

    rig = Rig()
    rig.wire.chips[ADDRESS] = LosesPower(0x9F)
    result = rig.switch(0x9F, 0xBF)
    assert (result.end, result.code, rig.sent) == (SwitchEnd.UNVERIFIED, "port_unsure", [0xBF])


def test_a_stuck_slot_ends_after_a_bounded_number_of_bytes() -> None:
    rig = Rig()
    rig.chip.stuck[1] = True
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.writes, result.reading) == (
        SwitchEnd.FOREIGN,
        MAX_WRITES,
        PortReading(value=0xFF, known=0xFF),
    )
    assert "read back 0xff" in result.message or "0xff read back" in result.message


def test_a_stuck_pin_of_no_slot_does_no_harm() -> None:
    rig = Rig()
    rig.chip.stuck[7] = False
    result = rig.switch(0x7F, 0xFD)
    assert (result.end, result.reading) == (SwitchEnd.VERIFIED, PortReading(value=0x7D, known=0xFF))


def test_a_stuck_pin_of_no_slot_does_not_hide_a_flipped_bit() -> None:
    rig = Rig()
    chip = rig.wire.chips[ADDRESS] = FlipsWrites(0x5F, [0x04])
    chip.stuck[7] = False
    result = rig.switch(0x5F, 0xDD)
    assert (result.end, result.reading) == (SwitchEnd.VERIFIED, PortReading(value=0x5D, known=0xFF))


def test_a_bus_that_hangs_after_the_byte_leaves_it_unverified_and_is_left_soon() -> None:
    rig = Rig()

    class Hangs(PortChip):
        def write(self, data: list[int]) -> None:
            super().write(data)
            rig.wire.hung = True

    rig.wire.chips[ADDRESS] = Hangs(0xFF)
    start = rig.clock.now
    result = rig.switch(0xFF, 0xFD)
    assert (result.end, result.code) == (SwitchEnd.UNVERIFIED, "bus_timeout")
    assert rig.clock.now - start < 0.5


def test_a_hung_bus_is_left_within_its_deadline() -> None:
    rig = Rig()
    rig.wire.hung = True
    start = rig.clock.now
    assert rig.switch(0xFF, 0xFD).end is SwitchEnd.UNWRITTEN
    assert rig.clock.now - start < 0.25 + rig.wire.timeout_s


def test_a_repair_finds_the_byte_that_arrived_after_all() -> None:
    rig = Rig(0xFD)
    result = rig.switch(0xBD, 0xFD, repair=True)
    assert (result.end, result.writes) == (SwitchEnd.VERIFIED, 0)
    assert rig.switch(0xBD, 0xFD).end is SwitchEnd.REFUSED
    rig.chip.latch = 0xBD
    assert rig.switch(0xBD, 0xFD, repair=True).end is SwitchEnd.VERIFIED
    assert rig.sent == [0xFD]


def test_look_counts_errors_and_keeps_the_reason() -> None:
    rig = Rig(0xFD)
    rig.wire.fail_next = [BusNack("noise")]
    seen = look(rig.port, 0xFD)
    assert (seen.reading, seen.error, seen.errors) == (PortReading(value=0xFD, known=0xFF), None, 1)
    assert rig.wire.ops(ADDRESS) == ["receive_byte"] * 3
    rig.wire.fail_next = [BusMissing("gone", hint="look")]
    seen = look(rig.port, None)
    assert isinstance(seen.error, BusMissing)
    assert (seen.reading, seen.error.hint, seen.errors) == (None, "look", 1)


class SometimesKnown:
    """A port that cannot tell some of its bits, and switches only those that differ."""

    lane = "command-3"
    layout = PortLayout(bits={0: 0, 1: 1}, active_low=False, width=2)

    def __init__(self, value: int, known: int, known_after: int, error: DriverError | None = None) -> None:
        self.value, self.known, self.known_after, self.error = value, known, known_after, error
        self.written: list[tuple[int, int]] = []

    def read(self, verified: int | None) -> PortReading:
        return PortReading(value=self.value & self.known, known=self.known)

    def write(self, base: int, value: int) -> None:
        self.written.append((base, value))
        self.known = self.known_after
        if self.error is not None:
            raise self.error
        self.value = value


def test_unknown_bits_are_not_compared_and_keep_the_callers_base() -> None:
    port = SometimesKnown(0b00, 0b01, 0b11)
    result = switch(port, 0b10, 0b00)  # slot 1 is unknown: its base says the opposite of what is wanted
    assert result.end is SwitchEnd.VERIFIED
    assert port.written == [(0b10, 0b00)]


def test_a_slot_that_stays_unknown_is_not_verified() -> None:
    port = SometimesKnown(0b00, 0b01, 0b01)
    result = switch(port, 0b00, 0b10)
    assert (result.end, result.code) == (SwitchEnd.UNVERIFIED, "port_unsure")


def test_a_driver_that_fails_keeps_its_reason() -> None:
    port = SometimesKnown(0b00, 0b11, 0b11, DriverError("tpi: exit 1"))
    result = switch(port, 0b00, 0b01)
    assert (result.end, result.code, result.message) == (SwitchEnd.FOREIGN, "driver", "tpi: exit 1")
    assert len(port.written) == MAX_WRITES


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    nack=st.floats(0, 0.2),
    timeout=st.floats(0, 0.1),
    flip=st.floats(0, 0.2),
    start=st.integers(0, 63),
    change=st.integers(1, 63),
    elsewhere=st.booleans(),
)
def test_whatever_the_wire_does(
    seed: int, nack: float, timeout: float, flip: float, start: int, change: int, elsewhere: bool
) -> None:
    def byte(bits: int) -> int:
        return 0x81 | sum((bits >> slot & 1) << BOARD_LAYOUT.bits[slot] for slot in range(6))

    base, value = byte(start), byte(start ^ change)
    rig = Rig(base ^ 0x42 if elsewhere else base)  # the port may have changed since base was read
    before = rig.chip.latch
    rig.wire.noise = Noise(rng=random.Random(seed), nack=nack, timeout=timeout, flip=flip)
    result = rig.switch(base, value)

    assert set(rig.sent) <= {value}, "a byte that nobody asked for"
    assert len(rig.sent) <= MAX_WRITES
    if before != base:
        assert rig.sent == []
        assert rig.chip.latch == before
        assert result.end in (SwitchEnd.REFUSED, SwitchEnd.UNWRITTEN)
    match result.end:
        case SwitchEnd.VERIFIED:
            assert rig.chip.latch == value
            assert result.reading == PortReading(value=value, known=0xFF)
        case SwitchEnd.REFUSED | SwitchEnd.UNWRITTEN:
            assert rig.sent == []
        case SwitchEnd.FOREIGN:
            assert result.reading == PortReading(value=rig.chip.latch, known=0xFF)
        case SwitchEnd.UNVERIFIED:
            assert rig.sent
            assert result.code in ("bus_nack", "bus_timeout", "port_unsure")


def test_at_the_worst_noise_nearly_every_switch_is_fulfilled() -> None:
    ends: dict[SwitchEnd, int] = dict.fromkeys(SwitchEnd, 0)
    for seed in range(300):
        rig = Rig()
        rig.wire.noise = Noise(rng=random.Random(seed), nack=0.1, flip=0.2)
        ends[rig.switch(0xFF, 0xFD).end] += 1
    assert ends[SwitchEnd.VERIFIED] >= 297
    assert ends[SwitchEnd.FOREIGN] == ends[SwitchEnd.REFUSED] == 0
