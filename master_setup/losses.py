"""What a revert would destroy or stop, for those who are asked before."""

from __future__ import annotations

from typing import Final

from master_setup.machine import Machine
from master_setup.record import Record
from master_setup.wants.packages import all_gained

NFS_PORT: Final = "0801"  # 2049, as /proc/net/tcp has it
ESTABLISHED: Final = "01"
DOCKER: Final = "/var/lib/docker"
SWARM: Final = "/var/lib/grape-docker"
DOCKER_OWN: Final = frozenset({"metadata.db", "backingFsBlockDev"})


def losses(machine: Machine, record: Record, *, purge: bool, packages: bool) -> list[str]:
    """Return a sentence for each; none where a revert takes nothing but what a second apply brings back."""
    found = []
    if purge:
        found.append("/var/lib/grape and /etc/grape are removed: images, roots, volumes, history, configuration.")
        if machine.exists(SWARM):
            found.append(f"{SWARM} is removed: images of the registry.")
    if _leaves_swarm(machine, record):
        found.append("The swarm ends: its services, networks and secrets go.")
    if packages and "docker.io" in _gained(machine, record) and _used_docker(machine):
        found.append(f"Docker is removed with all that is in {DOCKER}: containers, volumes, images.")
    if record.entries and _served(machine):
        found.append("Nodes run from this machine: they lose their root.")
    return found


def _gained(machine: Machine, record: Record) -> list[str]:
    if "packages" not in record.entries or not record.memory("packages").was:
        return []
    names: list[str] = all_gained(machine, record.memory("packages"))["packages"]
    return names


def _leaves_swarm(machine: Machine, record: Record) -> bool:
    """Tell whether grape_docker has made a swarm, where there was none."""
    entry = record.entries.get("swarm")
    there_before = entry is None or entry.was is None or entry.was["cluster"]
    return not there_before and machine.exists(f"{SWARM}/status.json")


def _used_docker(machine: Machine) -> bool:
    return bool(set(machine.names(f"{DOCKER}/volumes")) - DOCKER_OWN or machine.names(f"{DOCKER}/containers"))


def _served(machine: Machine) -> bool:
    """Tell whether somebody has a connection to our NFS server."""
    for name in ("tcp", "tcp6"):
        for line in machine.text(f"/proc/net/{name}").splitlines()[1:]:
            words = line.split()
            if len(words) > 3 and words[1].endswith(f":{NFS_PORT}") and words[3] == ESTABLISHED:
                return True
    return False
