"""The machine that the other tests of this suite start from holds what they say it holds, and no more."""

from __future__ import annotations

import pytest

from tests.lab.machines.bare_machine import CLUSTER, BareMachine
from tests.lab.network import Network
from tests.lab.run import Run


@pytest.fixture
def machine(lab: Run) -> BareMachine:
    made = BareMachine(lab, cluster=Network(lab))
    made.boot()
    return made


def test_a_fresh_debian(machine: BareMachine) -> None:
    assert 'VERSION_ID="12"' in machine.do("cat", "/etc/os-release")
    for program in ("python3", "dnsmasq", "dbus-daemon", "sshd", "sudo"):
        machine.do("sh", "-c", f"command -v {program}", code=127)
    assert "default via 192.168.50.1 dev eth0" in machine.do("ip", "route")
    assert CLUSTER in machine.do("ip", "link", "show", "dev", CLUSTER)
    assert machine.do("findmnt", "--noheadings", "--output=FSTYPE", "/").strip() != "overlay"


def test_it_installs_from_the_lab_alone_and_keeps_that(machine: BareMachine) -> None:
    machine.do("apt-get", "--quiet=2", "update")
    machine.do("apt-get", "--quiet=2", "--yes", "--no-install-recommends", "install", "python3-venv", timeout_s=300.0)
    machine.do("python3", "-m", "venv", "/opt/try")
    machine.do(
        "/opt/try/bin/pip", "install", "--quiet", "--no-index", "--find-links=/srv/wheelhouse", "grape", timeout_s=300.0
    )
    machine.do("useradd", "--create-home", "mary")
    assert machine.do("sh", "-c", "echo $USER $HOME; id --user --name", user="mary") == "mary /home/mary\nmary\n"
    machine.do("ip", "address", "add", "10.77.0.1/24", "dev", CLUSTER)
    machine.reboot()
    assert "10.77.0.1" not in machine.do("ip", "address")
    assert "usage" in machine.do("/opt/try/bin/graped", "--help", user="mary").lower()
    assert "Started" in machine.journal("cron.service")
    machine.power_cut()
    machine.boot()
