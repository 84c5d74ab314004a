"""``apply --swarm --registry``: a managed swarm, images that come from here; ``revert`` takes all of it back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.lab.machines.bare_machine import CLUSTER, BareMachine
from tests.lab.network import Network
from tests.lab.run import Run
from tests.lab.suites.system.before import Before
from tests.lab.suites.system.installing import Installer
from tests.lab.swarm_roots import WRITABLE
from tests.lab.swarm_seed import image_tar

ADDRESS: Final = "10.77.0.1"
UNITS: Final = ("grape_docker.service", "grape-registry.service")
LIMITS: Final = {"grape_docker.service": 2.0, "grape-registry.service": 2.0}
IMAGE: Final = "lab/tool:1"
CGROUPS: Final = "etc/systemd/system/docker.service.d/lab.conf"  # this machine's, see tests.lab.swarm_roots
# Docker's bridges, its rules and forwarding: its package leaves them in the kernel.
UNTIL_REBOOT: Final = ("links:", "addresses:", "routes:", "firewall:", "forwarding:")
SOON_S: Final = 120.0
PAUSE_S: Final = 0.2


def test_swarm_and_registry_come_and_go(lab: Run, record_property: pytest.RecordProperty) -> None:
    machine = BareMachine(lab, cluster=Network(lab))
    (machine.root / CGROUPS).parent.mkdir(parents=True)
    (machine.root / CGROUPS).write_text(WRITABLE)
    machine.boot()
    before = Before(machine)
    installer = Installer(machine, f"--interface={CLUSTER}", f"--address={ADDRESS}/24", "--swarm", "--registry")
    took = [timed(lambda: installer.apply())]
    installer.do("confirm")
    assert all(not active(machine, unit) for unit in UNITS)  # they come with graped, which nobody has started
    took.append(timed(lambda: begin(machine)))
    installer.do("check")
    the_sandboxes_are_closed(machine)
    an_image_that_is_pushed_is_pulled_by_its_plain_name(machine)
    assert "Nothing to do." in installer.apply()
    assert "swarm ends" in installer.do("revert", code=2)  # it asks, and nobody is there to answer
    took.append(timed(lambda: installer.do("revert", "--purge", "--yes")))
    left = before.differences(*UNTIL_REBOOT)
    assert left == [], "\n".join(left)
    machine.reboot()
    left = before.differences()
    assert left == [], "\n".join(left)
    record_property("summary", "swarm by grape-setup: s to apply, start, revert: " + " ".join(f"{s:.0f}" for s in took))


def begin(machine: BareMachine) -> None:
    """Start graped, as an administrator does, and wait for the swarm that grape_docker makes."""
    machine.do("systemctl", "start", "graped")
    nodes = ("docker", "node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}")
    until(machine, lambda: machine.attempt(*nodes).stdout.strip() == "Ready Leader")
    assert ADDRESS in machine.do("docker", "info", "--format", "{{.Swarm.NodeAddr}}")
    until(machine, lambda: all(active(machine, unit) for unit in UNITS))
    until(machine, lambda: machine.attempt("grape_docker", "image", "list").returncode == 0)


def the_sandboxes_are_closed(machine: BareMachine) -> None:
    for unit, limit in LIMITS.items():
        said = machine.do("systemd-analyze", "security", "--no-pager", unit)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", said)
        assert found is not None
        assert (float(found[1]) < limit, found[2]) == (True, "OK"), said
    assert machine.do("stat", "--format=%U %a", "/var/lib/grape-docker/ssh/id_ed25519") == "grape-docker 600\n"


def an_image_that_is_pushed_is_pulled_by_its_plain_name(machine: BareMachine) -> None:
    machine.path("/root/image.tar").write_bytes(image_tar())
    machine.do("docker", "import", "/root/image.tar", IMAGE)
    machine.do("grape_docker", "image", "push", IMAGE)
    assert "lab/tool" in machine.do("grape_docker", "image", "list")
    machine.do("docker", "rmi", IMAGE)
    machine.do("docker", "pull", IMAGE)  # Docker here trusts the registry, and asks it first
    machine.do("systemctl", "restart", "grape-registry")
    machine.do("docker", "rmi", IMAGE)
    machine.path("/root/image.tar").unlink()


def active(machine: BareMachine, unit: str) -> bool:
    """Whether a unit runs."""
    return machine.attempt("systemctl", "--quiet", "is-active", unit).returncode == 0


def timed(act: Callable[[], object]) -> float:
    """Do something, and tell how many seconds it took."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def until(machine: BareMachine, true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < deadline, "\n".join(machine.journal(unit)[-3000:] for unit in (*UNITS, "docker"))
        time.sleep(PAUSE_S)
