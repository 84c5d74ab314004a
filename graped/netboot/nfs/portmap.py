"""The port mapper: an NFSv3 client asks it where NFS and MOUNT answer, and boot code cannot be told otherwise."""

from __future__ import annotations

import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import ServerError
from graped.netboot.nfs import rpc
from graped.netboot.nfs.rpc import Entry, Program
from graped.netboot.servers import Servers, ServerSpec

LOOPBACK: Final = IPv4Address("127.0.0.1")
UNIT: Final = "rpcbind.service"
READY_S: Final = 5.0
LOOK_S: Final = 0.05


def spec(folder: Path, address: IPv4Address) -> ServerSpec:
    """Describe our own rpcbind, for a machine where none runs. ``folder`` is netboot's ``nfs/``."""
    return ServerSpec(
        name="rpcbind",
        argv=("rpcbind", "-f", "-w", "-h", str(address)),
        unit=UNIT,
        pid_file=folder / "rpcbind.json",
        output=folder / "rpcbind.out",
    )


def ensure(servers: Servers, own: ServerSpec) -> bool:
    """Have a port mapper, whosever it is; return whether it was started now. Raises: ServerError."""
    if rpc.answers(LOOPBACK, rpc.PORTMAP_PORT, Program.PORTMAP, 2):
        return False
    servers.ensure(own, restart=servers.running(own) is not None)  # one that runs and does not answer is of no use
    end = time.monotonic() + READY_S
    while not rpc.answers(LOOPBACK, rpc.PORTMAP_PORT, Program.PORTMAP, 2):
        if time.monotonic() > end:
            raise ServerError("rpcbind runs but does not answer on port 111", hint=f"See {own.output}.")
        time.sleep(LOOK_S)
    return True


def entries(nfs_port: int, mount_port: int) -> frozenset[Entry]:
    """Return what a port mapper must know for NFSv3 clients."""
    return frozenset({Entry(Program.NFS, 3, rpc.TCP, nfs_port), Entry(Program.MOUNT, 3, rpc.TCP, mount_port)})


def restore(wanted: frozenset[Entry]) -> bool:
    """Tell the port mapper what it has forgotten (a killed rpcbind forgets all); return whether it had.

    So an NFS server need not be restarted for it. Raises: ServerError.
    """
    try:
        missing = wanted - rpc.registered(LOOPBACK)
        for entry in missing:
            rpc.register(entry)
    except OSError as error:
        raise ServerError(f"the port mapper cannot be told where NFS answers: {error}") from error
    return bool(missing)


def stop(servers: Servers, own: ServerSpec) -> None:
    """End rpcbind where we have started it ourselves: another one may serve others. Raises: ServerError."""
    if own.pid_file.exists():
        servers.stop(own)
