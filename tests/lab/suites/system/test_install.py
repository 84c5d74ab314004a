"""A fresh Debian 12 with nothing but the base system becomes a master, and again what it was."""

from __future__ import annotations

import json

import pytest

from tests.lab.machines.bare_machine import CLUSTER, BareMachine
from tests.lab.network import Network
from tests.lab.run import Run
from tests.lab.suites.system.before import Before
from tests.lab.suites.system.installing import Installer

MEMBER, OUTSIDER = "mary", "bob"
NOTHING = "Nothing to do."
STATE = "/var/lib/grape"
ADDRESS = "10.77.0.1/24"


@pytest.fixture
def machine(lab: Run) -> BareMachine:
    made = BareMachine(lab, cluster=Network(lab))
    made.boot()
    for name in (MEMBER, OUTSIDER):
        made.do("useradd", "--create-home", name)
    return made


def test_install_use_and_revert(machine: BareMachine) -> None:
    before = Before(machine)
    installer = Installer(machine, f"--user={MEMBER}", f"--interface={CLUSTER}", f"--address={ADDRESS}")
    assert "python3" in installer.do("plan", *installer.options)
    assert before.differences() == []

    installer.apply()
    installer.do("confirm")
    machine.do("systemctl", "start", "graped")
    assert json.loads(machine.do("grapecli", "status", "--json", user=MEMBER))["stacks"]
    refused = machine.attempt("grapecli", "status", user=OUTSIDER)
    assert refused.returncode == 4  # grapecli --help: not allowed
    assert "group grape" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
    installer.do("check")

    applied = Before(machine)  # it has been rebooted: all that has to be there starts by itself
    assert ADDRESS in machine.do("ip", "-brief", "address", "show", "dev", CLUSTER)
    assert "worker-0-0" in machine.do("grapecli", "status", user=MEMBER)
    assert NOTHING in installer.apply()
    assert NOTHING in installer.do("apply")
    installer.do("plan")
    assert applied.differences() == []
    mended_by_apply(machine, installer)
    # The record has kept what the edits were.
    assert [line for line in applied.differences() if not line.startswith(f"{STATE}/setup/")] == []

    installer.do("revert")
    assert [line for line in before.differences() if not line.startswith(STATE)] == []
    assert "grape.db" in machine.do("ls", STATE)
    assert "setup" not in machine.do("ls", STATE)
    installer.do("revert", "--purge", "--yes")
    assert before.differences() == []
    machine.reboot()
    assert before.differences() == []


def mended_by_apply(machine: BareMachine, installer: Installer) -> None:
    """Edit by hand what was set up: ``check`` tells each edit, ``apply`` takes it back."""
    edits = {
        "/etc/systemd/system/graped.service": ("sed", "-i", "s/^WatchdogSec=.*/WatchdogSec=0/"),
        "/opt/grape/venv": ("rm",),
        "/usr/local/bin/grapecli": ("rm",),
        "/etc/grape/config.d": ("chmod", "0777"),
        "/etc/sysctl.d/90-grape.conf": ("sed", "-i", "s/1/0/"),
    }
    for path, words in edits.items():
        machine.do(*words, path)
    machine.do("gpasswd", "--delete", MEMBER, "grape")
    machine.do("systemctl", "disable", "graped")
    told = installer.do("check", code=1)
    for path in (*edits, MEMBER, "enable graped"):
        assert path in told, f"{path} is not in:\n{told}"
    installer.apply()
    installer.do("check")
