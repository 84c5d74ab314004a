"""A fresh Debian 12 with nothing but the base system becomes a master, and again what it was."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable

import pytest

from master_setup.steps import STEPS
from tests.lab.machines.bare_machine import CLUSTER, BareMachine
from tests.lab.network import Network
from tests.lab.run import Run
from tests.lab.state import Rule
from tests.lab.suites.system.before import Before
from tests.lab.suites.system.installing import Installer

PAUSE_S = 0.05
MEMBER, OUTSIDER = "mary", "bob"
NOTHING = "Nothing to do."
STATE = "/var/lib/grape"
SETUP = f"{STATE}/setup"
ADDRESS = "10.77.0.1/24"
SERVERS = ("grape-dnsmasq.service", "grape-nfs.service")
AT_WORK = Rule(
    reason="graped and its servers are at work there",
    covers=lambda path: path.startswith(f"{STATE}/") and not path.startswith(SETUP),
)


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
    assert "root" in machine.attempt("grape-setup", "apply", user=OUTSIDER).stderr

    applied = Before(machine, SERVERS, [AT_WORK])  # it has been rebooted: all that has to be there starts by itself
    assert ADDRESS in machine.do("ip", "-brief", "address", "show", "dev", CLUSTER)
    assert "worker-0-0" in machine.do("grapecli", "status", user=MEMBER)
    again, without_options = installer.apply(), machine.do("grape-setup", "apply")
    assert NOTHING in again
    assert NOTHING in without_options
    installer.do("plan")
    assert applied.differences() == []
    mended_by_apply(machine, installer)
    # The record has kept what the edits were.
    assert applied.differences(f"{SETUP}/") == []

    installer.do("revert")
    assert before.differences(STATE) == []
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
    planned = installer.do("plan")
    assert "-WatchdogSec=0" in planned
    assert "+WatchdogSec=" in planned
    installer.apply()
    installer.do("check")


def test_killed_anywhere_it_is_completed_by_the_next(machine: BareMachine) -> None:
    before = Before(machine)
    installer = Installer(machine, f"--user={MEMBER}")

    def power_cut() -> None:
        """Cut it while dpkg is at work."""
        # Its state may change while it is read: that is an answer that fails, and is asked for again.
        wait_until(lambda: machine.attempt("dpkg", "--audit").stdout != "", 120.0)
        machine.power_cut()

    assert installer.interrupted("apply", lambda line: "installing python3" in line, installer.kill)
    assert installer.interrupted("apply", lambda line: re.match("installing .* packages", line) is not None, power_cut)
    machine.boot()
    steps = Steps(installer.told)
    while installer.interrupted("apply", steps.new, installer.kill):
        steps.add(installer.told)
    steps.add(installer.told)
    print(f"apply: killed in {', '.join(steps.killed)}")
    assert {"packages", "accounts", "program", "config", "units", "shell"} <= steps.told
    machine.do("systemctl", "start", "graped")
    installer.do("check")

    steps = Steps()
    while installer.interrupted("revert", steps.new, installer.kill):
        steps.add(installer.told)
    steps.add(installer.told)
    print(f"revert: killed in {', '.join(steps.killed)}")
    assert {"accounts", "program", "config", "units", "shell"} <= steps.told
    installer.do("revert", "--purge", "--yes")
    assert before.differences() == []


class Steps:
    """Which steps were begun, in any of the calls, and in which of them a call was killed."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.told: set[str] = set()
        self.killed: list[str] = []
        self.add(lines)

    def add(self, lines: Iterable[str]) -> None:
        """Count what a call has told; it may get on before its end comes."""
        self.told |= {step for step in map(step_of, lines) if step}

    def new(self, line: str) -> bool:
        """Whether this line is of a step in which no call was killed yet."""
        step = step_of(line)
        if not step or step in self.killed:
            return False
        self.killed.append(step)
        return True


def step_of(line: str) -> str:
    """Give the step that a line is about; "" where it is about none."""
    name = line.partition(": ")[0]
    return name if any(name == each.NAME for each in STEPS) else ""


def wait_until(true: Callable[[], bool], timeout_s: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(PAUSE_S)
