"""The kernel NFS backend, in a guest whose kernel has nfsd: another guest boots its root from an overlay there."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import graped
from tests.lab.machines import Uml
from tests.lab.machines.uml import from_folder
from tests.lab.network import Network
from tests.lab.overlay import overlay
from tests.lab.roots import root
from tests.lab.run import Run
from tests.lab.ssh import Key, Login
from tests.lab.suites.netboot import kernel_server

UNIT = Path(graped.__file__).parents[1] / "master_setup/files/units/graped.service"
SERVER = "10.77.0.2"
NODES = ("10.77.0.21", "10.77.0.22")
NETBOOT = "/srv/netboot"
DISK_MB = 700
UP_S = 180.0
PATIENT_S = 150.0  # seen once: a command after the boot did not end within 60 s, as long as NFS waits to ask again
OPTIONS = "upperdir=upper,workdir=work,index=on,nfs_export=on,redirect_dir=on"
# What graped does for roots of the strategy "overlay", on the guest's own ext4.
LAYERS = f"""set -e
mkdir -p {NETBOOT} && mount -t ext4 /dev/ubda {NETBOOT}
for node in 0 1; do
  mkdir -p {NETBOOT}/roots/worker-0-$node/1 && cd {NETBOOT}/roots/worker-0-$node/1 && mkdir -p upper work fs
  mount -t overlay -o lowerdir={NETBOOT}/images/node/root,{OPTIONS} roots fs
done
"""


@pytest.fixture
def network(lab: Run) -> Network:
    return Network(lab)


@pytest.fixture
def key(lab: Run) -> Key:
    return Key(lab)


def open_up(tree: Path, key: Key) -> None:
    """Let us log in on a root file system."""
    key.let_in(tree)
    subprocess.run(("ssh-keygen", "-A", "-f", tree), check=True, capture_output=True)


def image_disk(lab: Run, key: Key) -> Path:
    """Make an ext4 disk with a netboot folder on it: one image, and room for roots."""
    content = lab.folder("content")
    tree = overlay(lab, root("node"), "image")
    open_up(tree, key)
    (tree / "etc/fstab").write_text("proc /proc proc defaults 0 0\n")
    (content / "images/node").mkdir(parents=True)
    subprocess.run(("cp", "-a", "--", tree, content / "images/node/root"), check=True)
    disk = lab.room / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK_MB << 20)
    subprocess.run(("mkfs.ext4", "-q", "-d", content, disk), check=True)
    return disk


def server_root(lab: Run, key: Key) -> Path:
    """Make the server's root: Debian's nfs-kernel-server, and graped as it is here."""
    tree = overlay(lab, root("server"), "server")
    open_up(tree, key)
    package = Path(graped.__file__).parent
    shutil.copytree(package, tree / "opt/grape/graped", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(kernel_server.__file__, tree / "opt/grape/kernel_server.py")
    return tree


def exported(node: int) -> str:
    return f"{NETBOOT}/roots/worker-0-{node}/1/fs"


def apply(server: Login, *nodes: int) -> dict[str, Any]:
    """Have graped's backend export the roots of these nodes, and of no other, in the sandbox of graped's unit."""
    exports = [{"path": exported(node), "client": NODES[node], "fsid": 101 + node} for node in nodes]
    asked = json.dumps({"netboot": NETBOOT, "address": SERVER, "exports": exports})
    answer: dict[str, Any] = json.loads(server.do(f"{sandboxed()} python3 kernel_server.py '{asked}'"))
    return answer


def sandboxed() -> str:
    """Give the words before a command that run it as the unit of graped would."""
    lines = UNIT.read_text().partition("--- the sandbox")[2].partition("[Install]")[0].splitlines()
    closed = [shlex.quote(f"--property={line}") for line in lines if "=" in line and not line.startswith("#")]
    given = ["--property=RuntimeDirectory=grape", "--property=StateDirectory=grape", "--working-directory=/opt/grape"]
    return " ".join(("systemd-run", "--quiet", "--wait", "--pipe", *closed, *given))


def test_a_node_boots_from_the_kernels_server_and_keeps_what_it_writes(
    lab: Run, network: Network, key: Key, record_property: pytest.RecordProperty
) -> None:
    control = network.place("control", address="10.77.0.1/24")
    master = Uml(network, "nfsd", "02:00:00:00:00:02", disks=(image_disk(lab, key),))
    master.cmdline = from_folder(server_root(lab, key), f"{SERVER}/24", "nfsd")
    master.power_on()
    server = Login(control, key, SERVER)
    server.wait(UP_S)
    server.do(LAYERS)
    server.do("mkdir /etc/exports.d")  # as master_setup does
    assert "Read-only" in server.do(f"{sandboxed()} touch /usr/made 2>&1", check=False)
    assert apply(server, 0)["problems"] == []
    assert NODES[0] in server.do("cat /etc/exports.d/grape.exports")

    node = Uml(network, "node", "02:00:00:00:00:21")
    own = f"ip={NODES[0]}::{SERVER}:255.255.255.0:worker-0-0:eth0:off"
    node.cmdline = f"root=/dev/nfs nfsroot={SERVER}:{exported(0)},vers=3,tcp rw {own}"
    started = time.monotonic()
    node.power_on()
    login = Login(control, key, NODES[0])
    login.wait(UP_S)
    login_s, started = time.monotonic() - started, time.monotonic()
    mounted = login.do("findmnt --noheadings --output FSTYPE / || grep ' / ' /proc/mounts", PATIENT_S)
    first_s = time.monotonic() - started
    record_property(
        "summary",
        f"kernel NFS server, UML node: {login_s:.1f} s to a login over SSH, its first command took {first_s:.1f} s",
    )
    assert "nfs" in mounted
    write = "echo kept > /root/written; cp /etc/os-release /etc/os-release.new; mv /etc/os-release.new /etc/os-release"
    login.do(write, PATIENT_S)
    with_open_file = "exec 3>>/root/written; sleep 3; echo later >&3; cat /root/written"
    talk = control.spawn(*login.command(with_open_file), log=lab.room / "talk")
    time.sleep(1.0)
    server.do("exportfs -r")
    assert apply(server, 0, 1)["done"] != []  # another node comes ...
    assert apply(server, 0)["done"] != []  # ... and goes
    assert talk.wait(PATIENT_S) == 0
    assert (lab.room / "talk").read_text() == "kept\nlater\n"
    login.do("echo more >> /root/written && sync", PATIENT_S)
    upper = f"{NETBOOT}/roots/worker-0-0/1/upper"
    assert server.do(f"cat {upper}/root/written") == "kept\nlater\nmore\n"
    assert server.do(f"ls {NETBOOT}/images/node/root/root") == ""
    node.power_cut()

    assert apply(server)["problems"] == []
    assert server.do("exportfs -s") == ""
