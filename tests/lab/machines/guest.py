"""What guests with a kernel of their own share: a tap for each of their lives."""

from __future__ import annotations

from tests.lab.machines.process import Process
from tests.lab.network import Network

STEM = 11  # characters of a name that are left for it in an interface's


class Guest(Process):
    """A process with a tap on a switch."""

    def __init__(self, network: Network, name: str, mac: str) -> None:
        super().__init__(network.run, name)
        self.network = network
        self.mac = mac
        self._lives = 0
        self._tap = ""
        self._plugged = True

    def plug(self, *, plugged: bool) -> None:
        """Plug its cable in, or pull it out; that stays so when it is switched off and on."""
        self._plugged = plugged
        if self._tap:
            self.network.set_port(self._tap, up=plugged)

    def fresh_tap(self) -> str:
        """Plug in a new tap: some guests stall on one that another kind has used."""
        self._lives += 1
        self._tap = self.network.tap(f"{self.name[:STEM]}.{self._lives}")
        if not self._plugged:
            self.network.set_port(self._tap, up=False)
        return self._tap

    def power_cut(self) -> None:
        """Take its power away, and its cable."""
        super().power_cut()
        if self._tap:
            self.network.pull(self._tap)
            self._tap = ""
