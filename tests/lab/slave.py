"""A slave of a swarm: a machine with an SD card of its own that has Docker, too."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab.carded import Carded
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.swarm_roots import swarm_root
from tests.lab.swarm_seed import seed

DOCKER_FOLDER: Final = "/var/lib/docker"
_CONTAINER: Final = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A moment at which its power went. ``containers`` are the ids of those that ran in it."""

    containers: tuple[str, ...]


class Slave(Carded):
    """Something to put into a slot. ``keys`` are the public keys that may log in as root."""

    def __init__(self, network: Network, name: str, address: str, *, mac: str = "", keys: tuple[str, ...] = ()) -> None:
        run = network.run
        docker = run.folder("docker") / name
        subprocess.run(("cp", "-a", seed(), docker), check=True)
        tree = overlay(run, swarm_root("slave"), name)
        super().__init__(network, name, tree, address, mac=mac, keys=keys, binds=((docker, DOCKER_FOLDER),))
        self.docker_folder = docker
        self.cuts: list[Cut] = []

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


def _holds_processes(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text().strip())
    except OSError:  # it ended just now
        return False
