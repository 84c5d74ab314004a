"""Let go of servers that a former configuration has left running: they hold the ports of those that come now."""

from __future__ import annotations

from graped.config.types import Supervisor
from graped.netboot.nfs import ganesha, kernel, portmap
from graped.netboot.servers import ProcessServers, ServerSpec, SystemdServers
from graped.netboot.systemd import Systemctl
from graped.provision.edges import Edges


def let_go(edges: Edges) -> None:
    """Stop what the other supervisor keeps, then the other NFS server. Raises: ServerError."""
    if edges.supervisor is Supervisor.SYSTEMD:
        processes = ProcessServers(edges.runner)
        for spec in _specs(edges):
            if spec.pid_file.exists():
                processes.stop(spec)
    else:
        systemctl = Systemctl(edges.runner, edges.folder)
        if systemctl.is_ours():  # units of another folder are another graped's
            for spec in _specs(edges)[:2]:
                SystemdServers(systemctl).stop(spec)
    if edges.former_nfs is not None:
        edges.former_nfs.stop()


def _specs(edges: Edges) -> tuple[ServerSpec, ...]:
    """Name all that there may be: first those whose units are our own."""
    at = edges.folder / "nfs"
    return (
        edges.dnsmasq.spec(edges.folder),
        ganesha.spec(at),
        kernel.mountd_spec(at),
        portmap.spec(at, edges.address),
    )
