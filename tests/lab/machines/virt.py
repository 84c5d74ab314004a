"""QEMU's arm64 machine without a board's hardware: a disk, a cable, a serial line. Emulated by TCG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.machines.guest import Guest
from tests.lab.network import Network

MACHINE = (
    "qemu-system-aarch64", "-accel", "tcg,thread=multi,tb-size=512", "-M", "virt,gic-version=2", "-cpu", "cortex-a53",
    "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
    "-device", "virtio-rng-pci",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What a boot loader hands to a kernel."""

    kernel: Path
    initrd: Path
    cmdline: str


class Virt(Guest):
    """A machine that starts a kernel and has a disk, which it writes to. Its console is the serial line."""

    def __init__(self, network: Network, name: str, mac: str, disk: Path, boot: Boot) -> None:
        super().__init__(network, name, mac)
        self._disk = disk
        self._boot = boot

    def power_on(self) -> None:
        """Switch it on."""
        drive = ("-drive", f"file={self._disk},format=raw,if=none,id=card,cache=unsafe")
        card = ("-device", "virtio-blk-pci,drive=card")
        link = ("-netdev", f"tap,id=lan,ifname={self.fresh_tap()},script=no,downscript=no")
        cable = ("-device", f"virtio-net-pci,netdev=lan,mac={self.mac},romfile=")
        start = ("-kernel", self._boot.kernel, "-initrd", self._boot.initrd, "-append", self._boot.cmdline)
        self.launch(self.network.command(*MACHINE, *drive, *card, *link, *cable, *start))
