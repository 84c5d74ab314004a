"""A Pi that boots from an SD card of its own, up in two seconds; like a Pi it is silent when it has stopped."""

from __future__ import annotations

import subprocess
import threading
from typing import Final

from tests.lab.carded import Carded
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.roots import root

REBOOTED: Final = 133  # systemd-nspawn --keep-unit: what was inside wants to begin anew


class CardPi(Carded):
    """``boots``, ``halts`` and ``cuts`` count its lives: a reboot that it was asked for is a boot without a cut.

    Its cable is dead while it is off, halted or unplugged: its namespace would go on answering ping in its place.
    """

    def __init__(self, network: Network, name: str, address: str, *, mac: str = "", keys: tuple[str, ...] = ()) -> None:
        self._turning = threading.RLock()
        self._powered = False
        self._plugged = True
        self.boots = 0
        self.halts = 0
        self.cuts = 0
        super().__init__(network, name, overlay(network.run, root("node"), name), address, mac=mac, keys=keys)
        self._see_to_link()

    def power_on(self) -> None:
        """Boot it."""
        with self._turning:
            self._powered = True
            if not self.running:
                self._begin()

    def power_cut(self) -> None:
        """Take its power away, also where it has halted before."""
        with self._turning:
            self.cuts += self._powered
            self._powered = False
            super().power_cut()
            self._see_to_link()

    def unplug(self) -> None:
        """Pull its cable out; that stays so when it is switched off and on."""
        self._plug(plugged=False)

    def plug_in(self) -> None:
        """Plug its cable in again."""
        self._plug(plugged=True)

    def hang_sshd(self) -> None:
        """Have its SSH server hang: connections are taken, and nothing is said on them."""
        self.do("pkill", "-STOP", "-x", "sshd")

    def heal_sshd(self) -> None:
        """Have its SSH server go on."""
        self.do("pkill", "-CONT", "-x", "sshd")

    @property
    def powered(self) -> bool:
        """Whether it has power; one that has halted has, and does not run."""
        return self._powered

    def _plug(self, *, plugged: bool) -> None:
        with self._turning:
            self._plugged = plugged
            self._see_to_link()

    def _see_to_link(self) -> None:
        self.place.set_link(up=self._plugged and self.running)

    def _begin(self) -> None:
        super().power_on()
        self.boots += 1
        self._see_to_link()
        assert self.process is not None
        threading.Thread(target=self._watch, args=(self.process,), name=f"watch {self.name}", daemon=True).start()

    def _watch(self, life: subprocess.Popen[bytes]) -> None:
        """See a life end by itself: it halted, or it begins anew."""
        code = life.wait()
        with self._turning:
            if self.process is life and self._powered:
                self._see_to_link()
                if code == REBOOTED:
                    self._begin()
                else:
                    self.halts += 1
