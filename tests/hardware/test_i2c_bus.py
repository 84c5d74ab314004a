"""The Linux adapter against a module that behaves as smbus2 does, and the patience around a bus."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from graped.errors import BusError, BusMissing, BusNack, BusTimeout
from graped.hardware.bus import RETRIES, PatientBus, SmbusBus
from tests.hardware.i2c_fakes import FakeBus, FakeClock, Noise, PortChip


class Smbus:
    """What smbus2.SMBus does, for one port chip at 0x38 and words at 0x40."""

    def __init__(self) -> None:
        self.pins = 0xFF
        self.words: dict[int, int] = {}
        self.fails: int | None = None
        self.closed = False
        self._address = 0

    def _select(self, address: int) -> None:
        if self.fails is not None:
            raise OSError(self.fails, os.strerror(self.fails))
        self._address = address

    def write_quick(self, address: int) -> None:
        self._select(address)

    def read_byte(self, address: int) -> int:
        self._select(address)
        return self.pins

    def write_byte(self, address: int, value: int) -> None:
        self._select(address)
        time.sleep(0)
        assert self._address == address, "another thread came in between address and data"
        self.pins = value

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self._select(address)
        self.words[register] = value

    def read_byte_data(self, address: int, register: int) -> int:
        self._select(address)
        return self.words[register] & 0xFF

    def write_word_data(self, address: int, register: int, value: int) -> None:
        self._select(address)
        self.words[register] = value

    def read_word_data(self, address: int, register: int) -> int:
        self._select(address)
        return self.words[register]

    def close(self) -> None:
        self.closed = True


def test_every_transaction_reaches_smbus2() -> None:
    smbus = Smbus()
    bus = SmbusBus(1, open_bus=lambda number: smbus)
    bus.quick(0x20)
    bus.send_byte(0x38, 0xFD)
    assert bus.receive_byte(0x38) == 0xFD
    bus.write_byte_data(0x20, 6, 0xE0)
    assert bus.read_byte_data(0x20, 6) == 0xE0
    bus.write_word_data(0x40, 5, 0x1234)
    assert bus.read_word_data(0x40, 5) == 0x1234
    bus.close()
    assert smbus.closed


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EREMOTEIO, BusNack),
        (errno.ENXIO, BusNack),
        (errno.ENODEV, BusNack),
        (errno.EIO, BusNack),
        (errno.ETIMEDOUT, BusTimeout),
        (errno.EBUSY, BusError),
        (errno.EINVAL, BusError),
    ],
)
def test_errno_becomes_an_error_of_ours(number: int, kind: type[BusError]) -> None:
    smbus = Smbus()
    smbus.fails = number
    bus = SmbusBus(1, open_bus=lambda _: smbus)
    with pytest.raises(BusError) as caught:
        bus.receive_byte(0x38)
    assert type(caught.value) is kind
    assert "receive byte at 0x38 on bus 1" in caught.value.detail
    assert bool(caught.value.hint) == (number == errno.EBUSY)


def test_a_bus_that_is_not_there_is_told_with_a_hint() -> None:
    bus = SmbusBus(250)  # the real smbus2 on a machine that has no such bus
    with pytest.raises(BusMissing, match="bus 250 is not there") as caught:
        bus.receive_byte(0x38)
    assert "Enable I2C" in caught.value.hint


def test_a_bus_without_permission_names_the_group() -> None:
    def refuse(number: int) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(BusMissing) as caught:
        SmbusBus(1, open_bus=refuse).receive_byte(0x38)
    assert "group i2c" in caught.value.hint


def test_a_missing_bus_is_asked_for_again_at_growing_intervals() -> None:
    clock = FakeClock()
    opened_at: list[float] = []
    smbus = Smbus()

    def open_bus(number: int) -> Any:
        opened_at.append(clock.now - 100.0)
        if clock.now < 200.0:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return smbus

    bus = SmbusBus(1, open_bus=open_bus, clock=clock)
    while clock.now < 240.0:
        try:
            bus.receive_byte(0x38)
        except BusMissing:
            pass
        clock.sleep(0.5)
    assert opened_at == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 61.0, 91.0, 121.0]
    assert bus.receive_byte(0x38) == 0xFF


def test_two_threads_never_mix_address_and_data() -> None:
    bus = SmbusBus(1, open_bus=lambda _: Smbus())
    failures: list[BaseException] = []

    def write(address: int) -> None:
        try:
            for value in range(300):
                bus.send_byte(address, value & 0xFF)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(address,)) for address in (0x38, 0x39)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_transaction_that_hangs_in_the_kernel_does_not_keep_us_from_closing() -> None:
    entered, let_go = threading.Event(), threading.Event()

    class Hangs(Smbus):
        def read_byte(self, address: int) -> int:
            entered.set()
            assert let_go.wait(5.0)
            return 0

    smbus = Hangs()
    bus = SmbusBus(1, open_bus=lambda _: smbus)
    thread = threading.Thread(target=bus.receive_byte, args=(0x38,))
    thread.start()
    assert entered.wait(5.0)
    bus.close()  # comes back
    assert not smbus.closed
    let_go.set()
    thread.join()


# --- patience -----------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wire(clock: FakeClock) -> FakeBus:
    bus = FakeBus(1, clock)
    bus.chips[0x38] = PortChip(0xFD)
    return bus


@pytest.fixture
def patient(wire: FakeBus, clock: FakeClock) -> PatientBus:
    return PatientBus(wire, clock=clock, sleep=clock.sleep)


def test_a_read_is_repeated_and_errors_are_counted(wire: FakeBus, patient: PatientBus, clock: FakeClock) -> None:
    wire.fail_next = [BusNack("noise"), BusNack("noise")]
    assert patient.receive_byte(0x38) == 0xFD
    assert patient.errors == 2
    assert clock.now == pytest.approx(100.0 + 2 * RETRIES[BusNack].pause_s)


def test_patience_ends_with_the_table(wire: FakeBus, patient: PatientBus) -> None:
    with pytest.raises(BusNack):
        patient.receive_byte(0x39)
    assert len(wire.ops(0x39)) == RETRIES[BusNack].tries == patient.errors


def test_what_asking_again_cannot_help_is_asked_once(wire: FakeBus, patient: PatientBus) -> None:
    for error in (BusMissing("gone"), BusError("odd")):
        wire.log.clear()
        wire.fail_next = [error]
        with pytest.raises(type(error)):
            patient.read_word_data(0x38, 0)
        assert len(wire.log) == 1


def test_a_byte_is_never_sent_twice(wire: FakeBus, patient: PatientBus) -> None:
    for error in (BusNack("noise"), BusTimeout("noise")):
        wire.log.clear()
        wire.fail_next = [error]
        with pytest.raises(type(error)):
            patient.send_byte(0x38, 0xFF)
        assert wire.ops(0x38) == ["send_byte"]


def test_once_holds_for_everything_inside(wire: FakeBus, patient: PatientBus) -> None:
    wire.fail_next = [BusNack("noise")]
    with pytest.raises(BusNack), patient.once():
        patient.write_byte_data(0x38, 1, 2)
    assert len(wire.log) == 1


def test_nothing_touches_the_wire_after_the_deadline(wire: FakeBus, patient: PatientBus, clock: FakeClock) -> None:
    wire.hung = True
    with patient.deadline(0.12):
        for _ in range(10):
            with pytest.raises(BusTimeout):
                patient.receive_byte(0x38)
    assert clock.now - 100.0 < 0.12 + wire.timeout_s
    touched = len(wire.log)
    wire.hung = False
    with patient.deadline(0.0), pytest.raises(BusTimeout, match="time for this operation"):
        patient.send_byte(0x38, 0x81)
    assert len(wire.log) == touched
    assert patient.receive_byte(0x38) == 0xFD  # outside, the deadline is forgotten


def test_an_inner_deadline_never_outlives_the_outer(wire: FakeBus, patient: PatientBus, clock: FakeClock) -> None:
    with patient.deadline(1.0):
        with patient.deadline(60.0):
            clock.sleep(2.0)
            with pytest.raises(BusTimeout):
                patient.receive_byte(0x38)
        with pytest.raises(BusTimeout):
            patient.receive_byte(0x38)


def test_one_in_five_lost_is_hardly_felt(wire: FakeBus, patient: PatientBus) -> None:
    wire.noise = Noise(nack=0.2)
    reads = [patient.receive_byte(0x38) for _ in range(1000)]
    assert set(reads) == {0xFD}
    assert patient.errors > 100


@pytest.mark.parametrize("name", ["quick", "write_byte_data", "write_word_data", "read_byte_data"])
def test_every_transaction_passes_through(name: str, wire: FakeBus, patient: PatientBus) -> None:
    arguments = {"quick": (), "write_byte_data": (0, 1), "write_word_data": (0, 1), "read_byte_data": (0,)}[name]
    call: Callable[..., object] = getattr(patient, name)
    call(0x38, *arguments)
    assert wire.ops(0x38) == [name]
