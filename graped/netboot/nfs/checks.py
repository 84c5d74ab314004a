"""What can be wrong around any NFS server: folders that are not there, a port mapper that does not know it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from graped.netboot.nfs import rpc
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.rpc import Entry, Program


def missing_folders(exports: Iterable[Export]) -> list[str]:
    """Say which exported folders do not exist."""
    missing = sorted({str(export.path) for export in exports if not export.path.is_dir()})
    return [f"{path} is to be exported but does not exist." for path in missing]


def portmap_problems(address: IPv4Address, wanted: frozenset[Entry]) -> list[str]:
    """Say what a client at ``address`` would not find by the port mapper."""
    try:
        known = rpc.registered(address)
    except OSError:
        return [f"No port mapper answers on {address} port {rpc.PORTMAP_PORT}: NFSv3 clients cannot mount."]
    names = [Program(entry.program).name for entry in sorted(wanted - known)]
    return [f"The port mapper does not know {' and '.join(names)}: NFSv3 clients cannot mount."] if names else []
