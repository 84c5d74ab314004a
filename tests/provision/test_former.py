"""Another supervisor, another NFS server: what the former ones have left is let go of."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from graped.config.types import Config, Netboot, NfsServer, Store, Supervisor
from graped.netboot import systemd
from graped.netboot.nfs import ganesha
from graped.netboot.servers import ProcessServers, ServerSpec
from graped.provision import former
from graped.provision.edges import build
from graped.runner import Output, SubprocessRunner


class Systemctl:
    """Behaves as systemctl where these units are active."""

    def __init__(self, *active: str) -> None:
        self.active = set(active)

    def run(self, argv: tuple[str, ...], **_: object) -> Output:
        match argv:
            case ("systemctl", "is-active", unit):
                return Output(code=0, stdout="active\n" if unit in self.active else "inactive\n")
            case ("systemctl", "stop", unit):
                self.active.remove(unit)
                return Output(code=0, stdout="")
            case ("exportfs", "-s"):
                return Output(code=0, stdout="")
        raise AssertionError(f"unexpected: {argv}")


def config_of(folder: Path, supervisor: Supervisor, nfs: NfsServer = NfsServer.GANESHA) -> Config:
    net = Netboot(
        active=True,
        interface="eth1",
        address=IPv4Interface("10.77.0.1/24"),
        folder=folder,
        supervisor=supervisor,
        nfs=nfs,
    )
    return Config(netboot=net, store=Store(state_dir=folder))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be on a machine that systemd has booted."""
    (tmp_path / "run").mkdir()
    (tmp_path / "booted").mkdir()
    monkeypatch.setattr(systemd.Systemctl.__init__, "__kwdefaults__",
                        {"environment": tmp_path / "run/netboot.env", "booted": tmp_path / "booted"})  # fmt: skip
    return tmp_path


def test_processes_end_where_units_take_over(tmp_path: Path) -> None:
    spec = ganesha.spec(tmp_path / "nfs")
    servers = ProcessServers(SubprocessRunner())
    here = ServerSpec(
        name=spec.name, argv=("sleep", "60"), unit=spec.unit, pid_file=spec.pid_file, output=spec.output
    )  # fmt: skip
    servers.ensure(here)
    former.let_go(build(config_of(tmp_path, Supervisor.SYSTEMD), SubprocessRunner(), lambda: 0.0))
    assert servers.running(here) is None
    assert not spec.pid_file.exists()


def test_units_stop_where_graped_takes_over_but_not_those_of_another_folder(tmp_path: Path) -> None:
    systemctl = Systemctl("grape-dnsmasq.service", "grape-nfs.service", "nfs-server.service")
    edges = build(config_of(tmp_path, Supervisor.PROCESS), systemctl, lambda: 0.0)
    environment = tmp_path / "run/netboot.env"
    environment.write_text('GRAPE_NETBOOT_FOLDER="/somewhere/else"\n')
    former.let_go(edges)
    assert len(systemctl.active) == 3
    environment.write_text(f'GRAPE_NETBOOT_FOLDER="{tmp_path}"\n')
    former.let_go(edges)
    assert systemctl.active == {"nfs-server.service"}
    former.let_go(edges)  # once more changes nothing


def test_the_other_nfs_server_stops_under_systemd_too(tmp_path: Path) -> None:
    systemctl = Systemctl("grape-dnsmasq.service", "grape-nfs.service")
    former.let_go(build(config_of(tmp_path, Supervisor.SYSTEMD, NfsServer.KERNEL), systemctl, lambda: 0.0))
    assert systemctl.active == {"grape-dnsmasq.service"}
