"""A machine with an SD card of its own: it has an SSH server, and keeps what it wrote when its power goes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.machines.machine import Machine
from tests.lab.network import Network

HOST_KEY: Final = "etc/ssh/ssh_host_ed25519_key"
WALL: Final = """
table inet lab_wall
delete table inet lab_wall
table inet lab_wall {{
    chain in {{ type filter hook input priority -300; {incoming} }}
    chain out {{ type filter hook output priority -300; {outgoing} }}
}}
"""


class Carded(Machine):
    """Something to put into a slot. ``keys`` are the public keys that may log in as root."""

    def __init__(
        self,
        network: Network,
        name: str,
        tree: Path,
        address: str,
        *,
        mac: str = "",
        keys: tuple[str, ...] = (),
        binds: tuple[tuple[Path, str], ...] = (),
    ) -> None:
        place = network.place(name, address=f"{address}/24", mac=mac)
        super().__init__(place, tree, binds=binds, keeps_address=True)
        self.address = address
        self._wall = ""
        self.new_host_key()
        self.let_in(*keys)

    @property
    def host_key(self) -> str:
        """Its public host key, "type base64"."""
        return " ".join((self.root / f"{HOST_KEY}.pub").read_text().split()[:2])

    def new_host_key(self) -> None:
        """Give it another host key; its SSH server shows it from its next start on."""
        new_host_key(self.root)

    def let_in(self, *keys: str) -> None:
        """Let these keys and no others log in as root."""
        folder = self.root / "root/.ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text("".join(f"{key}\n" for key in keys))
        (folder / "authorized_keys").chmod(0o600)

    def power_on(self) -> None:
        """Boot it; a switch that is thrown twice boots it once."""
        if not self.running:
            super().power_on()
            self._build_wall()

    def black_hole(self, *, port: int | None = None) -> None:
        """Have it lose every packet, without a word to who sent it; with a port only those that it sends there (TCP).

        That stays so, also when it boots, until :meth:`open_up`.
        """
        drop = "policy drop;" if port is None else f"tcp dport {port} drop;"
        self._wall = WALL.format(incoming=drop if port is None else "", outgoing=drop)
        self._build_wall()

    def open_up(self) -> None:
        """Take down what :meth:`black_hole` has put up."""
        self._wall = WALL.format(incoming="", outgoing="")
        self._build_wall()

    def _build_wall(self) -> None:
        if self._wall:
            self.place.do("sh", "-c", f"echo '{self._wall}' | nft -f -")


def new_host_key(root: Path) -> None:
    """Give the machine of a root file system another SSH host key."""
    for suffix in ("", ".pub"):
        (root / f"{HOST_KEY}{suffix}").unlink(missing_ok=True)
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", root / HOST_KEY)
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
