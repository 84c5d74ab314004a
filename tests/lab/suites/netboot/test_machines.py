"""The lab's machines: each is a whole system, loses its power at once, and comes back."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.machines import Nspawn, Uml
from tests.lab.machines.uml import from_folder
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login

CAP_SYS_TIME = 25  # linux/capability.h
UP_S = 90.0
CUT_S = 8.0  # of two busy cores; less than a system takes that has to wait for one that does not stop


@pytest.fixture
def network(lab: Run) -> Network:
    return Network(lab)


def open_root(lab: Run, key: Key, name: str) -> Path:
    tree = overlay(lab, root("node"), name)
    key.let_in(tree)
    subprocess.run(("ssh-keygen", "-A", "-f", tree), check=True, capture_output=True)
    return tree


def test_two_containers_have_a_systemd_each(lab: Run, network: Network) -> None:
    control, key = network.place("control", address="10.77.0.1/24"), Key(lab)
    machines = []
    for number in (2, 3):
        place = network.place(f"machine-{number}", address=f"10.77.0.{number}/24")
        machines.append(Nspawn(place, open_root(lab, key, place.name)))
        machines[-1].power_on()
    logins = [Login(control, key, f"10.77.0.{number}") for number in (2, 3)]
    for login, machine in zip(logins, machines, strict=True):
        login.wait(UP_S)
        assert login.do("systemctl is-system-running --wait", check=False) == "running\n"
        assert login.do("hostname") == f"{machine.name}\n"
        bounds = machine.command("grep", "CapBnd", "/proc/1/status", "/proc/self/status")
        for line in subprocess.run(bounds, capture_output=True, text=True, check=True).stdout.splitlines():
            assert not int(line.split()[-1], 16) >> CAP_SYS_TIME & 1, "it could set this machine's clock"
    started = time.monotonic()
    machines[0].power_cut()
    assert time.monotonic() - started < CUT_S
    assert "Stopp" not in machines[0].console.text()  # nobody asked it first
    assert logins[1].do("systemctl is-system-running") == "running\n"  # the other one has not noticed
    machines[0].power_on()
    logins[0].wait(UP_S)
    machines[1].shut_down()
    assert not machines[1].running


def test_a_kernel_of_its_own_boots_from_a_folder_and_panics_aloud(lab: Run, network: Network) -> None:
    control, key = network.place("control", address="10.77.0.1/24"), Key(lab)
    guest = Uml(network, "guest", "02:00:00:00:00:02")
    guest.cmdline = from_folder(open_root(lab, key, "guest"), "10.77.0.2/24", "guest", "panic=-1")
    guest.power_on()
    login = Login(control, key, "10.77.0.2")
    login.wait(UP_S)
    assert login.do("systemctl is-system-running --wait", check=False) == "running\n"
    assert "UML" in login.do("uname --all; cat /proc/cpuinfo")
    guest.power_cut()
    guest.cmdline = from_folder(Path("/nowhere"), "10.77.0.2/24", "guest", "panic=-1")
    guest.power_on()
    guest.wait_for("Kernel panic - not syncing", UP_S)
    guest.wait_off(UP_S)
