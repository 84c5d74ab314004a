"""QEMU without KVM: a whole PC that boots by PXE (iPXE), slowly."""

from __future__ import annotations

from tests.lab.machines.guest import Guest
from tests.lab.network import Network

MACHINE = (
    "qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=256", "-smp", "1", "-M", "pc", "-cpu", "qemu64",
    "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
    "-device", "virtio-rng-pci",
)  # fmt: skip


class Qemu(Guest):
    """A guest on a switch that takes everything from the network. Its console is the first serial line."""

    def __init__(self, network: Network, name: str, mac: str, *, memory_mb: int = 640) -> None:
        super().__init__(network, name, mac)
        self._memory = ("-m", str(memory_mb))

    def power_on(self) -> None:
        """Switch it on: it asks for an address at once."""
        link = ("-netdev", f"tap,id=lan,ifname={self.fresh_tap()},script=no,downscript=no")
        card = ("-device", f"virtio-net-pci,netdev=lan,mac={self.mac},bootindex=1")
        self.launch(self.network.command(*MACHINE, *self._memory, *link, *card))
