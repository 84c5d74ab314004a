"""Where Docker keeps its layers: overlay2 works neither on NFS nor on an overlay."""

from __future__ import annotations

from typing import Final

from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Engine, Folder, Machine
from graped.errors import CommandFailed

DEFAULT: Final = "/var/lib/docker"
MIN_FREE_BYTES: Final = 200_000_000
MIN_FREE_INODES: Final = 2000
MOUNT_S: Final = 120.0  # a file system check of a large volume on a slow disk
NOT_BELOW_OVERLAY: Final = frozenset(
    {"nfs", "nfs4", "overlayfs", "aufs", "cifs", "smb2", "v9fs", "fuseblk", "ecryptfs"}
)
GOOD_DRIVERS: Final = frozenset({"overlay2", "overlayfs", "btrfs", "zfs", "fuse-overlayfs"})
_MOUNT: Final = """if [ -d /run/systemd/system ]; then systemctl stop docker.socket docker.service 2>/dev/null; fi
mountpoint -q /srv/grape/volume || mount /srv/grape/volume || exit 1
mountpoint -q /var/lib/docker || { mkdir -p /var/lib/docker && mount /var/lib/docker; } || exit 1"""


def needs_volume(machine: Machine) -> bool:
    """Whether Docker's folder is where overlay2 cannot be. Pure."""
    return machine.data.kind in NOT_BELOW_OVERLAY


def mount_volume(node: Remote, machine: Machine) -> str:
    """Put graped's volume below Docker, which is stopped for it; return what was done. Raises: NodeTrouble."""
    where = f"{machine.data.path} is on {machine.data.kind}, where the storage driver overlay2 does not work"
    if not machine.volume or machine.data.path != DEFAULT:
        hint = f"a volume for {DEFAULT}: docker_gb in [netboot] or in the node's own table, then power cycle it"
        raise NodeTrouble(Code.STORAGE, f"{where}, and the node has no volume", hint=hint, lasting=True)
    try:
        node.script(_MOUNT, what="mounting the volume for Docker", timeout_s=MOUNT_S)
    except CommandFailed as error:
        hint = "is the volume exported? grapecli netboot doctor"
        raise NodeTrouble(
            Code.STORAGE, f"{where}, and its volume cannot be mounted: {said(error)}", hint=hint
        ) from error
    return f"{DEFAULT} is on the node's volume"


def check_room(folder: Folder) -> None:
    """See that Docker has room to work in. Pure. Raises: NodeTrouble."""
    full = f"{folder.free_bytes // 1_000_000} MB free" if folder.free_bytes < MIN_FREE_BYTES else ""
    if not full and folder.free_inodes is not None and folder.free_inodes < MIN_FREE_INODES:
        full = f"{folder.free_inodes} inodes free"
    if full:
        hint = "docker system prune on the node, or a larger disk or volume (docker_gb)"
        raise NodeTrouble(Code.DISK, f"its disk is full: {full} in {folder.path}", hint=hint)


def warnings(machine: Machine, engine: Engine) -> tuple[str, ...]:
    """Say what works badly on a node that can join all the same. Pure."""
    found = []
    if engine.driver not in GOOD_DRIVERS:
        found.append(
            f"storage driver {engine.driver}: each container copies its whole image; {machine.data.path} is on "
            f"{machine.data.kind}, overlay2 needs ext4, xfs with ftype=1, or the like"
        )
    if not (machine.cgroup_memory and engine.memory_limits):
        found.append(
            "the kernel does not count memory, so limits and reservations of memory do not work: "
            "cgroup_enable=memory in its command line"
        )
    return tuple(found)
