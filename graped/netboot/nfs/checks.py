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


def service_problems(address: IPv4Address) -> list[str]:
    """Say what an NFSv3 client would not find, or get no answer from: it asks the port mapper, then both programs."""
    try:
        known = rpc.registered(address)
    except OSError:
        return [f"No port mapper answers on {address} port {rpc.PORTMAP_PORT}: NFSv3 clients cannot mount."]
    return [problem for program in (Program.NFS, Program.MOUNT) if (problem := _problem(address, program, known))]


def _problem(address: IPv4Address, program: Program, known: frozenset[Entry]) -> str:
    ports = [entry.port for entry in known if (entry.program, entry.version, entry.protocol) == (program, 3, rpc.TCP)]
    if not ports:
        return f"The port mapper does not know {program.name}: NFSv3 clients cannot mount."
    if not rpc.answers(address, ports[0], program, 3):
        return f"{program.name} does not answer on {address} port {ports[0]}."
    return ""
