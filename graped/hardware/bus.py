"""I2C buses: the Linux adapter, and the patience around any bus."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from typing import Any, TypeVar

from graped.errors import BusError, BusMissing, BusNack, BusTimeout
from graped.hardware.protocols import I2cBus

T = TypeVar("T")

# <linux/i2c-dev.h>
I2C_RETRIES = 0x0701
I2C_TIMEOUT = 0x0702  # in units of 10 ms
ADAPTER_TIMEOUT_10MS = 5  # the kernel's own is 1 s; the longest transaction here takes 0.5 ms

_NACKS = frozenset({errno.EREMOTEIO, errno.ENXIO, errno.ENODEV, errno.EIO})
CLOSE_WAIT_S = 0.2  # graped must be able to stop while a transaction hangs in the kernel
FIRST_PAUSE_S = 1.0  # before a missing bus is asked for again; doubles


class SmbusBus:
    """``/dev/i2c-<number>`` by smbus2. Opened at the first transaction, and again at growing intervals if missing.

    Only the SMBus calls are used: not every adapter has I2C_RDWR.
    """

    def __init__(
        self,
        number: int,
        *,
        open_bus: Callable[[int], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        retry_max_s: float = 30.0,
    ) -> None:
        self.number = number
        self._open_bus = open_bus or _open_smbus
        self._clock = clock
        self._retry_max_s = retry_max_s
        # smbus2 sets the address and transacts in two steps: two threads in between would write to the wrong chip
        self._lock = threading.Lock()
        self._smbus: Any = None
        self._missing: BusMissing | None = None
        self._pause_s = FIRST_PAUSE_S
        self._ask_again = 0.0

    def quick(self, address: int) -> None:
        """Send the address alone, with the write bit."""
        self._call("write quick", address, lambda smbus: smbus.write_quick(address))

    def send_byte(self, address: int, value: int) -> None:
        """Send one byte, without a register."""
        self._call("send byte", address, lambda smbus: smbus.write_byte(address, value))

    def receive_byte(self, address: int) -> int:
        """Receive one byte, without a register."""
        return int(self._call("receive byte", address, lambda smbus: smbus.read_byte(address)))

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        """Write one byte into a register."""
        self._call("write byte", address, lambda smbus: smbus.write_byte_data(address, register, value))

    def read_byte_data(self, address: int, register: int) -> int:
        """Read one byte from a register."""
        return int(self._call("read byte", address, lambda smbus: smbus.read_byte_data(address, register)))

    def write_word_data(self, address: int, register: int, value: int) -> None:
        """Write a word, low byte first, into a register."""
        self._call("write word", address, lambda smbus: smbus.write_word_data(address, register, value))

    def read_word_data(self, address: int, register: int) -> int:
        """Read a word, low byte first, from a register."""
        return int(self._call("read word", address, lambda smbus: smbus.read_word_data(address, register)))

    def close(self) -> None:
        """Close the device file, unless a transaction hangs in it; the next transaction opens it again."""
        if not self._lock.acquire(timeout=CLOSE_WAIT_S):
            return
        try:
            if self._smbus is not None:
                self._smbus.close()
                self._smbus = None
        finally:
            self._lock.release()

    def _call(self, what: str, address: int, transact: Callable[[Any], T]) -> T:
        with self._lock:
            smbus = self._smbus if self._smbus is not None else self._open()
            try:
                return transact(smbus)
            except OSError as error:
                raise _told(error, f"{what} at 0x{address:02x} on bus {self.number}") from error

    def _open(self) -> Any:
        if self._missing is not None and self._clock() < self._ask_again:
            raise BusMissing(self._missing.detail, hint=self._missing.hint)
        try:
            self._smbus = self._open_bus(self.number)
        except (OSError, ImportError) as error:
            self._missing = _absent(error, self.number)
            self._ask_again = self._clock() + self._pause_s
            self._pause_s = min(self._pause_s * 2, self._retry_max_s)
            raise self._missing from error
        self._missing, self._pause_s = None, FIRST_PAUSE_S
        return self._smbus


def _open_smbus(number: int) -> Any:
    from smbus2 import SMBus  # late: neither the simulator nor --check-config needs it

    smbus = SMBus(number)
    assert smbus.fd is not None
    try:
        ioctl(smbus.fd, I2C_TIMEOUT, ADAPTER_TIMEOUT_10MS)
        ioctl(smbus.fd, I2C_RETRIES, 0)
    except OSError:
        pass  # an emulated adapter may not know them, and does not hang either
    return smbus


def _told(error: OSError, what: str) -> BusError:
    """Turn an errno into our tree.

    Source: Linux, Documentation/i2c/fault-codes.rst; i2c-bcm2835 (EREMOTEIO: no acknowledge, EIO: cut short).
    """
    if error.errno in _NACKS:
        return BusNack(f"{what}: no acknowledge", errno=error.errno)
    if error.errno == errno.ETIMEDOUT:
        return BusTimeout(f"{what}: timed out", errno=error.errno)
    hint = "A kernel driver owns this address: remove its overlay." if error.errno == errno.EBUSY else ""
    return BusError(f"{what}: {error.strerror or error}", hint=hint, errno=error.errno)


def _absent(error: OSError | ImportError, number: int) -> BusMissing:
    match error:
        case PermissionError():
            detail, hint = "may not be opened", "Add this user to the group i2c."
        case FileNotFoundError():
            detail, hint = "is not there", "Enable I2C (raspi-config, or dtparam=i2c_arm=on) and load i2c-dev."
        case ImportError():
            detail, hint = "cannot be used: smbus2 is not installed", "Install smbus2."
        case _:
            detail, hint = f"cannot be opened: {error}", ""
    return BusMissing(f"I2C bus {number} {detail}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a transaction is tried in all, and the pause before each further try."""

    tries: int
    pause_s: float


RETRIES: Mapping[type[BusError], Retry] = {
    BusNack: Retry(tries=6, pause_s=0.0005),  # noise: one in five lost still leaves 1 failure in 15,000
    BusTimeout: Retry(tries=2, pause_s=0.001),  # each costs the adapter's whole timeout
    BusMissing: Retry(tries=1, pause_s=0.0),
    BusError: Retry(tries=1, pause_s=0.0),
}


class PatientBus:
    """A bus that asks again, within a deadline, and counts what failed. Used by one thread, its lane's, at a time.

    ``send_byte`` is never repeated: whether a byte may go into a power port again is for switching to decide.
    """

    def __init__(
        self,
        bus: I2cBus,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        table: Mapping[type[BusError], Retry] = RETRIES,
    ) -> None:
        self.number = bus.number
        self.errors = 0  # transactions that failed, ever
        self._bus = bus
        self._clock = clock
        self._sleep = sleep
        self._table = table
        self._until: float | None = None
        self._once = False

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Bound everything inside; after it transactions raise BusTimeout without touching the wire."""
        outer = self._until
        until = self._clock() + seconds
        self._until = until if outer is None else min(outer, until)
        try:
            yield
        finally:
            self._until = outer

    @contextmanager
    def once(self) -> Iterator[None]:
        """Repeat nothing inside, as with ``send_byte``."""
        outer, self._once = self._once, True
        try:
            yield
        finally:
            self._once = outer

    def quick(self, address: int) -> None:
        """Send the address alone, with the write bit."""
        self._patiently(self._bus.quick, address)

    def send_byte(self, address: int, value: int) -> None:
        """Send one byte, once."""
        with self.once():
            self._patiently(self._bus.send_byte, address, value)

    def receive_byte(self, address: int) -> int:
        """Receive one byte."""
        return self._patiently(self._bus.receive_byte, address)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        """Write one byte into a register."""
        self._patiently(self._bus.write_byte_data, address, register, value)

    def read_byte_data(self, address: int, register: int) -> int:
        """Read one byte from a register."""
        return self._patiently(self._bus.read_byte_data, address, register)

    def write_word_data(self, address: int, register: int, value: int) -> None:
        """Write a word, low byte first, into a register."""
        self._patiently(self._bus.write_word_data, address, register, value)

    def read_word_data(self, address: int, register: int) -> int:
        """Read a word, low byte first, from a register."""
        return self._patiently(self._bus.read_word_data, address, register)

    def close(self) -> None:
        """Close the bus itself."""
        self._bus.close()

    def _patiently(self, transact: Callable[..., T], *arguments: int) -> T:
        tries = 0
        while True:
            if self._until is not None and self._clock() >= self._until:
                raise BusTimeout(f"bus {self.number}: the time for this operation is over")
            try:
                return transact(*arguments)
            except BusError as error:
                self.errors += 1
                tries += 1
                retry = self._retry(error)
                if self._once or tries >= retry.tries:
                    raise
                self._sleep(retry.pause_s)

    def _retry(self, error: BusError) -> Retry:
        return next(self._table[kind] for kind in type(error).__mro__ if kind in self._table)
