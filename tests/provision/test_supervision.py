"""Whether this machine can keep the servers: told by --check-config before anything is started."""

from __future__ import annotations

import io
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from graped.config import check
from graped.config.types import Config, Netboot, NfsServer, Store, Supervisor
from graped.hardware.drivers import registry
from graped.netboot import systemd
from graped.provision.supervision import shortcomings, units_of
from graped.runner import Output

FILE = """
[cluster.stacks.0]
[netboot]
active = true
interface = "eth1"
address = "10.77.0.1/24"
"""


class Systemctl:
    """Behaves as systemctl where these units are installed."""

    def __init__(self, *there: str) -> None:
        self.there = there

    def run(self, argv: tuple[str, ...], **_: object) -> Output:
        assert argv[:4] == ("systemctl", "show", "--property=LoadState", "--value")
        states = ("loaded" if unit in self.there else "not-found" for unit in argv[4:])
        return Output(code=0, stdout="\n\n".join(states) + "\n")


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder by which one sees that systemd has booted this machine."""
    folder = tmp_path / "booted"
    defaults = {"environment": tmp_path / "netboot.env", "booted": folder}
    monkeypatch.setattr(systemd.Systemctl.__init__, "__kwdefaults__", defaults)
    return folder


def config_of(nfs: NfsServer = NfsServer.KERNEL, *, active: bool = True) -> Config:
    net = Netboot(active=active, address=IPv4Interface("10.77.0.1/24"), supervisor=Supervisor.SYSTEMD, nfs=nfs)
    return Config(netboot=net, store=Store(state_dir=Path("/var/lib/grape")))


def test_what_is_there_is_no_shortcoming(booted: Path) -> None:
    booted.mkdir()
    for nfs in NfsServer:
        config = config_of(nfs)
        assert list(shortcomings(config, Systemctl(*units_of(config)))) == []
    assert list(shortcomings(config_of(active=False), Systemctl())) == []


def test_each_missing_unit_is_named(booted: Path) -> None:
    booted.mkdir()
    (said,) = shortcomings(config_of(), Systemctl("nfs-server.service", "nfs-mountd.service"))
    assert said.startswith(
        "netboot.supervisor: systemd has no unit grape-dnsmasq.service, grape-root@any--1.service; "
        "Run master_setup/install apply"
    )
    (said,) = shortcomings(
        config_of(NfsServer.GANESHA), Systemctl("grape-dnsmasq.service", "grape-root@any--1.service")
    )
    assert "grape-nfs.service, rpcbind.service" in said


def test_check_config_warns_and_says_what_to_do(booted: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(FILE)
    out = io.StringIO()
    code = check.check(
        tmp_path / "config.toml", registry.find(), out, notes=lambda config: shortcomings(config, Systemctl())
    )
    assert code == 0
    assert "warning: netboot.supervisor: systemd does not run here" in out.getvalue()
    assert 'set netboot.supervisor = "process"' in out.getvalue()
