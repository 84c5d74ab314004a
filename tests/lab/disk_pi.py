"""A Pi that boots from its own SD card, with a kernel of its own: ext4, in a file.

So it can be told from outside how the file system was left: its journal is in use from the mount to a clean end. (A
:class:`~tests.lab.card_pi.CardPi` is quicker, and has this machine's kernel, which has its root mounted all the time.)
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.lab.cache import cached, key_of
from tests.lab.carded import HOST_KEY, new_host_key
from tests.lab.machines.uml import Uml
from tests.lab.network import Network
from tests.lab.roots import root

SIZE: Final = "1G"  # as far as the file may grow; it starts with what the root holds
MAKE_S: Final = 120.0
RECOVERY: Final = "needs_recovery"  # a feature of a file system that was not unmounted. Source: ext4(5)


class DiskPi(Uml):
    """A guest whose root is ``card``. ``keys`` are the public keys that may log in as root.

    It is up after 5 s; when it has halted its process is gone, and its link with it.
    """

    def __init__(self, network: Network, name: str, mac: str, address: str, keys: tuple[str, ...] = ()) -> None:
        self.card = network.run.folder("cards") / f"{name}.ext4"
        super().__init__(network, name, mac, memory_mb=256, disks=(self.card,))
        self.address = address
        self.ended_by_itself: list[bool] = []  # at each cut: whether it had halted before
        self.cmdline = f"root=/dev/ubda rootfstype=ext4 rw ip={address}:::255.255.255.0:{name}:eth0:off"
        subprocess.run(("cp", "--sparse=always", "--reflink=auto", _made(), self.card), check=True)
        with self.opened() as top:
            new_host_key(top)
            self.host_key = " ".join((top / f"{HOST_KEY}.pub").read_text().split()[:2])
            (top / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
            (top / "root/.ssh/authorized_keys").write_text("".join(f"{key}\n" for key in keys))
            (top / "etc/hostname").write_text(f"{name}\n")

    def power_cut(self) -> None:
        """Take its power away, also where it has halted before."""
        if self.process is not None:
            self.ended_by_itself.append(not self.running)
        super().power_cut()

    @contextlib.contextmanager
    def opened(self) -> Iterator[Path]:
        """Mount its card while it is off, as in a card reader: that replays the journal."""
        assert not self.running, f"{self.name} is on"
        top = self.run.folder(f"card-readers/{self.name}")
        subprocess.run(("mount", "-o", "loop", self.card, top), check=True)
        try:
            yield top
        finally:
            subprocess.run(("umount", top), check=True)

    def add_unit(self, name: str, text: str) -> None:
        """Put a unit on its card while it is off, to be started at each boot."""
        with self.opened() as top:
            folder = top / "etc/systemd/system"
            (folder / name).write_text(text)
            (folder / "multi-user.target.wants" / name).symlink_to(f"../{name}")

    def dirt(self) -> str:
        """Say in what way its file system is not clean, looking at the card and writing nothing; "" where it is."""
        features = subprocess.run(("dumpe2fs", "-h", self.card), capture_output=True, text=True, check=True).stdout
        lines = dict(line.split(":", 1) for line in features.splitlines() if ":" in line)
        if RECOVERY in lines["Filesystem features"].split():
            return "it was not unmounted: its journal waits to be replayed"
        if lines["Filesystem state"].strip() != "clean":
            return f"its state is {lines['Filesystem state'].strip()}"
        checked = subprocess.run(("e2fsck", "-f", "-n", self.card), capture_output=True, text=True, check=False)
        return f"e2fsck: {checked.stdout}" if checked.returncode else ""

    def read(self, path: str) -> str:
        """Read a file of its card as it lies there, without mounting it; "" where there is none."""
        words = ("debugfs", "-R", f"cat {path}", self.card)
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _made() -> Path:
    made = root("node").parent.name
    key = key_of(made, Path(__file__).read_bytes())
    return cached("disk-pi", key, lambda into: _make(into / "card")) / "card"


def _make(path: Path) -> None:
    words = ("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root("node")), str(path), SIZE)
    subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=MAKE_S)
