"""Power off asks the operating system first: real kernels on ext4 cards of their own, looked at after the cut."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from graped.network.ssh_keys import KeyRing
from tests.lab.cluster import PREFIX, address, local_stacks
from tests.lab.disk_pi import DiskPi
from tests.lab.master import Master
from tests.lab.network import Network
from tests.lab.rack import Rack
from tests.lab.run import Run
from tests.live.daemon import FAST, Daemon

POLITE, OFFLINE, STUBBORN, FORCED = (f"worker-0-{slot}" for slot in range(4))
SOFT_OFF_S: Final = 25.0  # they need 4 s, where nothing else is to be done
SETTLE_S: Final = 5.0
MORE: Final = f"soft_off_max_s = {SOFT_OFF_S:g}\nsettle_s = {SETTLE_S:g}\n"
SLACK_S: Final = 15.0  # of two busy cores
UP_S: Final = 180.0
CUT_S: Final = 30.0
MARK: Final = "/root/stopped"
# Stopped before the network is: what a database does at its end.
SERVICE: Final = f"""[Unit]
After=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/rm -f {MARK}
ExecStop=/bin/sh -c 'sleep 0.5; echo its service was stopped > {MARK}; sync'
"""
# The other way about: its network is gone, and there is still something to write.
LATE: Final = f"""[Unit]
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/rm -f {MARK}
ExecStop=/bin/sh -c 'ip link set eth0 down; sleep 0.5; echo its service was stopped > {MARK}; sync'
"""
BLOCKED: Final = """[Unit]
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStopSec=infinity
ExecStart=/bin/true
ExecStop=/bin/sleep infinity
"""
UNITS: Final = {POLITE: SERVICE, OFFLINE: LATE, STUBBORN: BLOCKED, FORCED: SERVICE}


class Disks:
    """graped, and four machines with cards of their own in its slots."""

    def __init__(self, run: Run) -> None:
        network = Network(run)
        slots = self._slots = {f"worker-0-{slot}": (0, slot) for slot in range(len(UNITS))}
        rack_config = local_stacks(tuple(slots.values())) + FAST.replace("[power]\n", f"[power]\n{MORE}")
        keys = KeyRing(run.folder("rack") / "state/ssh")
        ours = keys.cluster_public_key()
        self.pis: dict[str, DiskPi] = {}
        for name, slot in slots.items():
            mac = f"02:00:00:00:00:{slot[1]:02x}"
            pi = self.pis[name] = DiskPi(network, name, mac, address(slot), keys=(ours,))
            pi.add_unit("lab.service", UNITS[name])
            keys.pin(name, (pi.host_key,))
        master = Master(network, f"{PREFIX}.1/24")
        self.rack = Rack(master, rack_config, {slots[name]: pi for name, pi in self.pis.items()}, netboot=False)

    @property
    def daemon(self) -> Daemon:
        """graped."""
        return self.rack.daemon

    def cli(self, *words: str) -> str:
        """Run grapecli; it has to end well."""
        done = self.daemon.cli(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.daemon.log()[-3000:]}"
        return done.stdout

    def up(self, *names: str) -> None:
        """Have these on and up, so that they can be asked."""
        self.cli("power", "on", ",".join(names), "--wait")
        deadline = time.monotonic() + UP_S
        while waiting := [name for name in names if not self.can_be_asked(name)]:
            assert time.monotonic() < deadline, f"cannot be asked: {waiting}\n{self.daemon.log()[-3000:]}"
            time.sleep(0.3)

    def can_be_asked(self, name: str) -> bool:
        """Whether graped would ask its system to stop."""
        return "soft-off" in self.cli("power", "off", name, "--dry-run")

    def switch(self, *words: str) -> tuple[float, dict[str, str]]:
        """Give a power command, and wait; tell how long it took, and what each node's way was."""
        began = time.monotonic()
        self.cli("power", *words, "--wait", "--yes")
        took_s = time.monotonic() - began
        deadline = time.monotonic() + CUT_S
        while words[0] == "off" and not all(self.rack.cut(self._slots[name]) for name in words[1].split(",")):
            assert time.monotonic() < deadline, f"they run on: {words}"
            time.sleep(0.05)
        job = max(self.listed(), key=lambda one: int(one["id"]))
        return took_s, {task["name"]: "; ".join(task["way"]) for task in job["tasks"]}

    def listed(self) -> list[dict[str, Any]]:
        """Give the jobs of late."""
        found: list[dict[str, Any]] = json.loads(self.cli("--json", "jobs", "list"))
        return found


@pytest.fixture(scope="module")
def disks(shift: Run) -> Iterator[Disks]:
    """Give four machines that are up and can be asked to stop."""
    disks = Disks(shift)
    disks.rack.start()
    disks.up(*UNITS)
    yield disks
    assert disks.rack.trouble() == []


def test_a_cycle_leaves_the_file_system_clean(disks: Disks) -> None:
    pi = disks.pis[POLITE]
    assert pi.dirt() != ""  # it runs: a cut now would be one that its next boot has to mend
    _, ways = disks.switch("cycle", POLITE)
    assert "is down after" in ways[POLITE], ways
    assert "not down" not in ways[POLITE], ways
    disks.up(POLITE)
    assert pi.ended_by_itself == [True]
    assert "EXT4-fs (ubda): mounted filesystem" in pi.console.text()
    assert "recovery complete" not in pi.console.text()


def test_services_are_stopped_and_file_systems_clean_before_the_cut(
    disks: Disks, record_property: pytest.RecordProperty
) -> None:
    took_s, ways = disks.switch("off", f"{POLITE},{OFFLINE}")
    for name in (POLITE, OFFLINE):
        pi = disks.pis[name]
        assert "is down after" in ways[name], ways
        assert "not down" not in ways[name], ways
        assert pi.ended_by_itself[-1], f"{name} was cut while it still ran: {ways[name]}"
        assert pi.dirt() == ""
        assert pi.read(MARK) == "its service was stopped\n"
    record_property("summary", f"soft-off: two nodes off in {took_s:.1f} s, file systems clean: {ways[POLITE]}")


def test_a_node_that_does_not_stop_is_cut_after_the_deadline(
    disks: Disks, record_property: pytest.RecordProperty
) -> None:
    took_s, ways = disks.switch("off", STUBBORN)
    pi = disks.pis[STUBBORN]
    assert f"not down after {SOFT_OFF_S:g} s" in ways[STUBBORN], ways
    assert SOFT_OFF_S <= took_s < SOFT_OFF_S + SLACK_S
    assert pi.ended_by_itself == [False]
    assert not pi.running
    record_property("summary", f"soft-off: a node that does not stop is cut after {took_s:.1f} s of {SOFT_OFF_S:g} s")


def test_force_cuts_at_once(disks: Disks) -> None:
    took_s, ways = disks.switch("off", FORCED, "--force")
    pi = disks.pis[FORCED]
    assert "soft-off: skipped by --force" in ways[FORCED], ways
    assert took_s < SOFT_OFF_S
    assert pi.ended_by_itself == [False]
    assert pi.dirt() != ""  # what was seen of the others can be seen
    assert pi.read(MARK) == ""
