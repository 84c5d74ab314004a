"""Drive any number of boot ROMs in one thread."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from tests.lab.bootrom.client import BootRom
from tests.lab.bootrom.phases import Asking, Phase
from tests.lab.bootrom.result import Booted

LOOK_S = 0.02  # how exactly times are kept


class Loop:
    """A thread in which boot ROMs run. ``power_on`` and ``power_off`` may be called from any other thread."""

    def __init__(self) -> None:
        self._orders: deque[Callable[[], None]] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(self._bell, select.EPOLLIN)
        self._running: dict[int, tuple[BootRom, Phase]] = {}  # by descriptor
        self._ended: dict[int, threading.Event] = {}  # by id of the boot ROM
        self._open = True
        self._thread = threading.Thread(target=self._run, name="boot ROMs", daemon=True)
        self._thread.start()

    def power_on(self, rom: BootRom) -> None:
        """Switch a board on. Its end is seen by :meth:`wait`."""
        self._ended[id(rom)] = threading.Event()
        self._order(lambda: self._begin(rom))

    def power_off(self, rom: BootRom) -> None:
        """Cut a board's power, and wait until it is off."""
        self._order(lambda: self._stop(rom, "power cut"))
        self._ended[id(rom)].wait()

    def wait(self, rom: BootRom, timeout_s: float) -> Booted:
        """Wait until a board has ended; at the latest then it is cut, and its outcome is "out of time"."""
        if not self._ended[id(rom)].wait(timeout_s):
            self._order(lambda: self._stop(rom, "out of time"))
            self._ended[id(rom)].wait()
        return rom.result

    def close(self) -> None:
        """End everything."""
        self._order(lambda: setattr(self, "_open", False))
        self._thread.join()

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        next_look = 0.0
        try:
            while self._open:
                wait_s = LOOK_S if self._running else -1
                for descriptor, _ in self._poll.poll(wait_s):
                    self._readable(descriptor)
                if (now := time.monotonic()) >= next_look:
                    self._wake(now)
                    next_look = now + LOOK_S
        finally:
            for rom, _ in list(self._running.values()):
                self._stop(rom, "the loop was closed")
            self._poll.close()
            os.close(self._bell)

    def _readable(self, descriptor: int) -> None:
        if descriptor == self._bell:
            os.eventfd_read(self._bell)
            while self._orders:
                self._orders.popleft()()
            return
        if descriptor not in self._running:
            return  # it ended while this round's events were told
        rom, phase = self._running[descriptor]
        now = time.monotonic()
        try:
            phase.readable(now)
            if phase.ended or isinstance(phase, Asking):
                self._advance(descriptor, rom, now)
        except Exception as error:
            self._break(rom, error)

    def _wake(self, now: float) -> None:
        for descriptor, (rom, phase) in list(self._running.items()):
            if phase.due <= now:
                try:
                    phase.wake(now)
                    self._advance(descriptor, rom, now)
                except Exception as error:
                    self._break(rom, error)

    def _advance(self, descriptor: int, rom: BootRom, now: float) -> None:
        before = rom.phase
        if before is not None and before.ended:
            self._forget(descriptor)  # its socket is closed now
        rom.advance(now)
        if rom.phase is not before:
            self._follow(rom)

    def _begin(self, rom: BootRom) -> None:
        try:
            rom.power_on(time.monotonic())
            self._follow(rom)
        except Exception as error:
            self._break(rom, error)

    def _break(self, rom: BootRom, error: Exception) -> None:
        """End a board that a mistake of ours has stopped; the others go on, and its result tells."""
        for descriptor in [number for number, (other, _) in self._running.items() if other is rom]:
            self._forget(descriptor)
        self._stop(rom, f"broken: {error!r}")

    def _follow(self, rom: BootRom) -> None:
        if rom.phase is None:
            self._ended[id(rom)].set()
            return
        descriptor = rom.phase.socket.fileno()
        self._running[descriptor] = (rom, rom.phase)
        self._poll.register(descriptor, select.EPOLLIN)

    def _forget(self, descriptor: int) -> None:
        """Look at a socket no more, before it is closed.

        A close alone does not make epoll forget it: a process that is being started elsewhere holds it a moment longer.
        """
        if self._running.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _stop(self, rom: BootRom, why: str) -> None:
        if rom.phase is not None:
            self._forget(rom.phase.socket.fileno())
        rom.end(why)
        self._ended[id(rom)].set()


def boot_all(roms: Iterable[BootRom], *, timeout_s: float) -> list[Booted]:
    """Boot boards side by side until each has ended, at the latest after this time."""
    loop, started = Loop(), time.monotonic()
    everybody = list(roms)
    try:
        for rom in everybody:
            loop.power_on(rom)
        return [loop.wait(rom, max(0.0, started + timeout_s - time.monotonic())) for rom in everybody]
    finally:
        loop.close()
