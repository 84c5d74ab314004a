"""The NFS server for the nodes' roots: the kernel's where it has one, else NFS-Ganesha."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from graped.errors import GrapeError
from master_setup.facts import Facts
from master_setup.options import Nfs, Options
from master_setup.steps import network
from master_setup.wants import File, Folder, Want
from master_setup.wants.quiet import Quiet

NAME = "nfs"
SUMMARY = "NFS server for the nodes' roots"
CONFIG: Final = "/etc/nfs.conf.d/grape.conf"
EXPORTS: Final = "/etc/exports.d/grape.exports"  # as graped.netboot.nfs.kernel has it
EXPORTS_HEAD: Final = "# Written by graped: changes are lost.\n"
MOUNT_PORT: Final = 20048  # as graped.netboot.nfs.kernel has it
LEASE_S: Final = 15


def server(facts: Facts, options: Options) -> Nfs:
    """Return which server it is: KERNEL or GANESHA."""
    if options.nfs is Nfs.AUTO:
        return Nfs.KERNEL if facts.services.nfsd else Nfs.GANESHA
    return options.nfs


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need the server, where nodes are served."""
    if not options.interface:
        return ()
    if server(facts, options) is Nfs.KERNEL:
        return ("nfs-kernel-server", "rpcbind")
    return ("nfs-ganesha", "nfs-ganesha-vfs", "rpcbind")


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want it to serve the cluster alone, when graped says so. Raises GrapeError for a kernel that cannot."""
    if not options.interface:
        return ()
    if server(facts, options) is Nfs.GANESHA:
        return [Quiet(name="nfs-ganesha.service")]
    if not facts.services.nfsd and facts.booted:
        raise GrapeError("this kernel has no NFS server", hint="Leave --nfs kernel out, or say --nfs ganesha.")
    if facts.services.exports:
        return _room_for_exports()
    own = File(path=CONFIG, content=config(facts, options))
    return [*_room_for_exports(), own, Quiet(name="nfs-server.service")]


def _room_for_exports() -> list[Want]:
    """Want the file that graped fills in: its sandbox can write there only where the folder is. Undone, it is empty."""
    emptied = ("sed", "--in-place", "2,$d", EXPORTS)
    return [
        Folder(path=str(Path(EXPORTS).parent)),
        File(path=EXPORTS, content=EXPORTS_HEAD, keep=True, before_undo=emptied),
    ]


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say where the administrator's exports are lived with."""
    if options.interface and server(facts, options) is Nfs.KERNEL and facts.services.exports:
        return ["This machine exports folders of its own by NFS: its server stays as it is, on all interfaces."]
    return ()


def config(facts: Facts, options: Options) -> str:
    """Return the kernel server's settings: on the cluster's address alone. Source: nfs.conf(5)."""
    return f"""\
# Written by Grape's master_setup: the nodes' roots, on their network alone.
[nfsd]
host = {network.cluster_address(facts, options).ip}
grace-time = {LEASE_S}
lease-time = {LEASE_S}

[mountd]
port = {MOUNT_PORT}
"""
