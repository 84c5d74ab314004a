"""User-Mode Linux: a real kernel that is an ordinary process, up in about a second. No PXE, no TFTP."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from tests.lab.kernel.build import kernel
from tests.lab.machines.guest import Guest
from tests.lab.network import Network

# The console is standard output. The kernel writes to the first tty that it is told (a Pi's command line says tty1),
# systemd to the last one.
CONSOLE: Final = ("con=null", "con0=null,fd:1", "con1=null,fd:1", "console=tty0")


class Uml(Guest):
    """A guest on a switch. Its root is what the kernel's command line says: see :meth:`power_on`."""

    def __init__(
        self, network: Network, name: str, mac: str, *, memory_mb: int = 384, disks: tuple[Path, ...] = ()
    ) -> None:
        super().__init__(network, name, mac)
        self.cmdline = ""
        self._memory = f"mem={memory_mb}M"
        self._disks = tuple(f"ubd{number}={path}" for number, path in enumerate(disks))

    def power_on(self) -> None:
        """Boot with ``cmdline``: what a boot ROM has fetched, or :func:`from_folder`."""
        guest = (f"umid={self.name}", f"uml_dir={self.run.folder('uml')}/", self._memory, *self._disks)
        link = f"eth0=tuntap,{self.fresh_tap()},{self.mac}"
        self.launch(
            self.network.command(kernel() / "linux", *guest, link, *self.cmdline.split(), *CONSOLE), TMPDIR="/dev/shm"
        )


def from_folder(root: Path, address: str, name: str, *words: str) -> str:
    """Give the command line of a guest with a folder of this machine as its root and a fixed address (10.0.0.2/24)."""
    own = IPv4Interface(address)
    network = f"ip={own.ip}:::{own.netmask}:{name}:eth0:off"
    return " ".join(("root=/dev/root", "rootfstype=hostfs", f"rootflags={root}", "rw", network, *words))
