"""The edges of netbooting, put together: images, roots, keys, servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from graped.config.types import Config, NfsServer, Supervisor
from graped.netboot.dhcp.dnsmasq import Dnsmasq
from graped.netboot.images.store import ImageStore
from graped.netboot.images.workspaces import Workspaces
from graped.netboot.nfs import ganesha
from graped.netboot.nfs.backend import NfsBackend
from graped.netboot.nfs.ganesha import Ganesha
from graped.netboot.nfs.kernel import EXPORTS_FILE, KernelNfs
from graped.netboot.plan import folder
from graped.netboot.roots.mounts import DirectMounts, UnitMounts
from graped.netboot.roots.roots import Roots
from graped.netboot.servers import Servers
from graped.netboot.systemd import BOOTED, Systemctl
from graped.network.ssh_keys import KeyRing
from graped.provision.supervision import servers_of, units_of
from graped.runner import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Everything below ``provision``. All of it blocks: it is called in worker threads."""

    folder: Path
    address: IPv4Address  # the master's, on the network of the nodes
    supervisor: Supervisor
    runner: Runner
    images: ImageStore
    workspaces: Workspaces
    roots: Roots
    keys: KeyRing
    servers: Servers
    units: frozenset[str]  # what systemd must have, where it keeps the servers
    dnsmasq: Dnsmasq
    nfs: NfsBackend
    former_nfs: NfsBackend | None  # the server of a former configuration, where it may still hold the port


def build(config: Config, runner: Runner, wall: Callable[[], float], keys: KeyRing | None = None) -> Edges:
    """Put the edges together as the configuration says; nothing is started or changed yet."""
    at, net = folder(config), config.netboot
    systemd = net.supervisor is Supervisor.SYSTEMD
    servers = servers_of(config, runner)
    images = ImageStore(at / "images", runner, wall, in_unit=systemd and BOOTED.is_dir())
    mounts = UnitMounts(at, Systemctl(runner, at)) if systemd else DirectMounts(at, runner)
    return Edges(
        folder=at,
        address=_address(config),
        supervisor=net.supervisor,
        runner=runner,
        images=images,
        workspaces=Workspaces(at / "workspaces", images),
        roots=Roots(at, images, mounts, runner, wall, server=net.nfs),
        keys=keys or KeyRing(config.store.state_dir / "ssh"),
        servers=servers,
        units=units_of(config),
        dnsmasq=Dnsmasq(servers, runner),
        nfs=_nfs(config, net.nfs, at, runner, servers),
        former_nfs=_former(config, at, runner, servers),
    )


def _nfs(config: Config, which: NfsServer, at: Path, runner: Runner, servers: Servers) -> NfsBackend:
    net, address = config.netboot, _address(config)
    if which is NfsServer.KERNEL:
        return KernelNfs(servers, runner, at, address, units=net.supervisor is Supervisor.SYSTEMD)
    return Ganesha(servers, at / "nfs", address)


def _former(config: Config, at: Path, runner: Runner, servers: Servers) -> NfsBackend | None:
    """Find the other server by what it leaves where graped has run it; to stop a unit that does not run is nothing."""
    if config.netboot.nfs is NfsServer.KERNEL:
        ran = config.netboot.supervisor is Supervisor.SYSTEMD or ganesha.spec(at / "nfs").pid_file.exists()
        return _nfs(config, NfsServer.GANESHA, at, runner, servers) if ran else None
    return _nfs(config, NfsServer.KERNEL, at, runner, servers) if EXPORTS_FILE.exists() else None


def _address(config: Config) -> IPv4Address:
    return config.netboot.address.ip if config.netboot.address else IPv4Address(0)  # then nothing is ever exported
