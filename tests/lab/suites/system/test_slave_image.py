"""A slave of our own builder boots over the network: built by ``grapecli image build`` where there is no Internet."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.lab.machines import Qemu
from tests.lab.network import Network
from tests.lab.packages import KERNEL, SLAVE, slave_packages
from tests.lab.roots import MASKED, MASKED_ON_PC
from tests.lab.run import Run

PC, MAC = (0, 0), "52:54:00:00:00:00"
UP_S = 600.0  # a minute where nothing else runs
LOGIN_S = 240.0
BOOTED = "timeout 90 systemctl is-system-running --wait >/dev/null"  # ssh may let us in before others have started
ASKED = {
    "name": "hostname",
    "kernel": "uname --kernel-release",
    "root": "findmnt --noheadings --output=FSTYPE /",
    "states": f"{BOOTED}; systemctl is-active dbus ssh systemd-timesyncd",
    "journal": "journalctl --no-pager --lines=20 --unit=systemd-timesyncd",
    "passwords": "awk -F: '$2 !~ /^[*!]/' /etc/shadow",
    "machine-id": "cat /etc/machine-id",
    "packages": "dpkg-query --show --showformat '${Package}\\n'",
}
CONFIG = """
[power]
stagger_s = 0.2
inrush_s = 0.5
[netboot.deadlines]
kernel_s = 180
root_s = 240
"""


@pytest.fixture
def masked(lab: Run) -> Path:
    """Give a folder of links that switch off what an emulated PC can do without: each second of it is ten."""
    folder = lab.room / "masked"
    folder.mkdir()
    for unit in (*MASKED, *MASKED_ON_PC):
        (folder / unit).symlink_to("/dev/null")
    return folder


@pytest.fixture
def cluster(lab: Run) -> Cluster:
    """One slot with a PC in it, off, that has no root yet."""
    network = Network(lab)
    cluster = Cluster(lab, network, {PC: MAC}, CONFIG)
    cluster.start({PC: Qemu(network, "pc", MAC)})
    return cluster


def seen_from_inside(cluster: Cluster) -> dict[str, list[str]]:
    """Log in by the pinned host key, once (each login is seconds of an emulated PC), and tell what is there."""
    told: dict[str, list[str]] = {}
    key = ""
    for line in logged_in(cluster, "; ".join(f"echo '# {key}'; {command}" for key, command in ASKED.items())):
        if line.startswith("# "):
            key = line.removeprefix("# ")
            told[key] = []
        else:
            told[key].append(line)
    return told


def logged_in(cluster: Cluster, command: str) -> list[str]:
    """Run it; a login that an emulated PC is too slow for is tried again."""
    ends = time.monotonic() + LOGIN_S
    while True:
        try:
            return cluster.login(PC).do(command, timeout_s=LOGIN_S / 2).splitlines()
        except (AssertionError, subprocess.TimeoutExpired):
            if time.monotonic() > ends:
                raise


def test_a_slave_is_built_offline_and_boots(
    cluster: Cluster, masked: Path, record_property: pytest.RecordProperty
) -> None:
    assert cluster.master.do("ip", "route", "show", "default") == ""  # no way out of the cluster
    began = time.monotonic()
    words = ("--arch", "amd64", "--packages", "minimal", "--kernel", KERNEL, "--file", f"{masked}:/etc/systemd/system")
    job = cluster.json("image", "build", "pc", *words, "--offline", "--cache", slave_packages(), "--prepare")
    built_s = time.monotonic() - began
    image = cluster.json("image", "show", job["result"])
    assert image["prepared"]
    assert image["arch"] == "amd64"
    assert image["boot"] == "boot"
    assert image["note"] == ""

    cluster.cli("node", "set", "worker-0-0", "--image", job["result"], "--strategy", "overlay", "--model", "pxe")
    began = time.monotonic()
    cluster.cli("power", "on", "worker-0-0")
    cluster.until(lambda: cluster.stages().get("worker-0-0") == "up", UP_S, "the slave is up")
    up_s = time.monotonic() - began

    told = seen_from_inside(cluster)
    assert told["name"] == ["worker-0-0"]
    assert told["kernel"][0].endswith("-cloud-amd64")
    assert told["root"] == ["nfs"]
    assert told["states"] == ["active"] * 3, told["journal"]
    assert told["passwords"] == []  # nobody has one
    assert len(told["machine-id"][0]) == 32
    installed = told["packages"]
    assert set(SLAVE.packages) <= set(installed)
    assert cluster.rack.trouble() == []
    told_of = f"slave of {len(installed)} packages, {image['size_bytes'] / 1e6:.0f} MB"
    times = f"built offline, imported and prepared in {built_s:.0f} s, up {up_s:.0f} s after power on"
    record_property("summary", f"{told_of}: {times}; asked for: {' '.join(SLAVE.packages)}")
