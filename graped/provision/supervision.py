"""Who keeps the servers of netbooting running, as the configuration says, and whether that can work on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graped.config.types import Config, NfsServer, Supervisor
from graped.errors import GrapeError
from graped.netboot.dhcp import dnsmasq
from graped.netboot.nfs import ganesha, kernel, portmap
from graped.netboot.plan import folder
from graped.netboot.roots.mounts import unit
from graped.netboot.servers import ProcessServers, Servers, SystemdServers
from graped.netboot.systemd import Systemctl
from graped.runner import Runner

ANY_ROOT: Final = unit("any", "1")  # LoadState= of an instance is that of its template


def servers_of(config: Config, runner: Runner) -> Servers:
    """Give the keeper that the configuration names."""
    if config.netboot.supervisor is Supervisor.SYSTEMD:
        return SystemdServers(Systemctl(runner, folder(config)))
    return ProcessServers(runner)


def units_of(config: Config) -> frozenset[str]:
    """Name the units that systemd must have where it is to keep the servers."""
    at = folder(config) / "nfs"
    if config.netboot.nfs is NfsServer.KERNEL:
        nfs = (kernel.nfsd_spec(at).unit, kernel.mountd_spec(at).unit)
    else:
        nfs = (ganesha.spec(at).unit, portmap.UNIT)
    return frozenset({dnsmasq.UNIT, ANY_ROOT, *nfs})


def shortcomings(config: Config, runner: Runner) -> Iterator[str]:
    """Say, for ``--check-config``, why servers could not be kept running on this machine."""
    if not config.netboot.active:
        return
    try:
        servers_of(config, runner).check(units_of(config))
    except GrapeError as error:
        yield f"netboot.supervisor: {error.detail}; {error.hint}"
