"""A slave with an SD card of its own: it has an SSH server and Docker, and keeps what it wrote when its power goes."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.machines.machine import Machine
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.swarm_roots import swarm_root
from tests.lab.swarm_seed import seed

DOCKER_FOLDER: Final = "/var/lib/docker"
HOST_KEY: Final = "etc/ssh/ssh_host_ed25519_key"
WALL: Final = """
table inet lab_wall
delete table inet lab_wall
table inet lab_wall {{
    chain in {{ type filter hook input priority -300; {incoming} }}
    chain out {{ type filter hook output priority -300; {outgoing} }}
}}
"""
_CONTAINER: Final = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A moment at which its power went. ``containers`` are the ids of those that ran in it."""

    containers: tuple[str, ...]


class Slave(Machine):
    """Something to put into a slot. ``keys`` are the public keys that may log in as root."""

    def __init__(self, network: Network, name: str, address: str, *, mac: str = "", keys: tuple[str, ...] = ()) -> None:
        run = network.run
        docker = run.folder("docker") / name
        subprocess.run(("cp", "-a", seed(), docker), check=True)
        tree = overlay(run, swarm_root("slave"), name)
        place = network.place(name, address=f"{address}/24", mac=mac)
        super().__init__(place, tree, binds=((docker, DOCKER_FOLDER),), keeps_address=True)
        self.address = address
        self.docker_folder = docker
        self.cuts: list[Cut] = []
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

    def power_cut(self) -> None:
        """Kill its PID 1, and remember what ran in it."""
        if self.running:
            self.cuts.append(Cut(containers=self.containers()))
        super().power_cut()

    def containers(self) -> tuple[str, ...]:
        """Tell the ids of the containers that run in it, by its cgroups, not by its Docker."""
        found: set[str] = set()
        for top in self._groups.folders:
            for folder, _, _ in os.walk(top):
                if (match := _CONTAINER.fullmatch(Path(folder).name)) and _holds_processes(Path(folder)):
                    found.add(match[1])
        return tuple(sorted(found))

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


def _holds_processes(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text().strip())
    except OSError:  # it ended just now
        return False
