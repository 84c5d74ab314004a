"""A Pi: its boot ROM, and then (where one is given) a real kernel with what the boot ROM has fetched."""

from __future__ import annotations

import threading

from tests.lab.bootrom import Board, Booted, BootRom, Faults, Loop
from tests.lab.bootrom.faults import NONE
from tests.lab.machines.uml import Uml
from tests.lab.network import Network

BOOT_S = 300.0


class Pi:
    """What sits in a slot. ``roms`` has the result of each power-on, the last one last.

    Without a ``kernel`` it only asks for an address once more, as its kernel would: enough to see it leave TFTP.
    """

    def __init__(
        self,
        network: Network,
        loop: Loop,
        board: Board,
        name: str,
        *,
        kernel: Uml | None = None,
        faults: Faults = NONE,
    ) -> None:
        self.board = board
        self.kernel = kernel
        self.roms: list[Booted] = []
        self._place = network.place(name, mac=board.mac)
        self._loop = loop
        self._faults = faults
        self._rom: BootRom | None = None
        self._follower: threading.Thread | None = None
        self._plugged = True
        self._in_rom = False  # its place stands for it; else its kernel's tap does

    def unplug(self) -> None:
        """Pull its cable out; that stays so when it is switched off and on."""
        self._plug(plugged=False)

    def plug_in(self) -> None:
        """Plug its cable in again."""
        self._plug(plugged=True)

    def power_on(self) -> None:
        """Start its boot ROM."""
        self._place.set_link(up=self._plugged)
        self._in_rom = True
        self._rom = BootRom(self._place, self.board, faults=self._faults, then_system=self.kernel is None)
        self.roms.append(self._rom.result)
        self._loop.power_on(self._rom)
        self._follower = threading.Thread(target=self._follow, args=(self._rom,), daemon=True)
        self._follower.start()

    def power_cut(self) -> None:
        """Take its power away, wherever it is."""
        if self._rom is not None and self._follower is not None:
            self._loop.power_off(self._rom)
            self._follower.join()
            self._rom = None
        if self.kernel is not None:
            self.kernel.power_cut()
        self._place.set_address(None)

    def _follow(self, rom: BootRom) -> None:
        """Run its kernel; the boot ROM's interface goes, since the kernel's has the same address."""
        result = self._loop.wait(rom, BOOT_S)
        if self.kernel is None or not result.ok:
            return
        self._in_rom = False
        self._place.set_link(up=False)
        self._place.set_address(None)
        self.kernel.cmdline = result.cmdline
        self.kernel.power_on()

    def _plug(self, *, plugged: bool) -> None:
        self._plugged = plugged
        if self._in_rom:
            self._place.set_link(up=plugged)
        if self.kernel is not None:
            self.kernel.plug(plugged=plugged)
