"""Whole machines power on, boot their own roots over NFS from graped, and are logged in to."""

from __future__ import annotations

import signal
import time

import pytest

from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.cluster import Cluster
from tests.lab.machines import Pi, Qemu, Uml
from tests.lab.network import Network
from tests.lab.rack import Slot
from tests.lab.roots import root
from tests.lab.run import Run

ONE, TWO, PC = (0, 0), (0, 1), (0, 2)
BOARDS = {slot: Board(rom=Rom.PI4, mac=f"dc:a6:32:00:00:0{slot[1]}", serial=f"1000000{slot[1]}") for slot in (ONE, TWO)}
PC_MAC = "52:54:00:00:00:02"
UP_S = 240.0
FASTER = "[power]\nstagger_s = 0.2\ninrush_s = 0.5\n[netboot.deadlines]\nkernel_s = 180\nroot_s = 240\n"


@pytest.fixture
def cluster(lab: Run) -> Cluster:
    """Two Pis on one image by overlay, a PC on another one by copy; all off."""
    network, loop = Network(lab), Loop()
    lab.at_end(loop.close)
    cluster = Cluster(lab, network, {slot: one.mac for slot, one in BOARDS.items()} | {PC: PC_MAC}, FASTER)
    things = {
        slot: Pi(network, loop, one, f"pi-{slot[1]}", kernel=Uml(network, f"uml-{slot[1]}", one.mac))
        for slot, one in BOARDS.items()
    }
    cluster.start({**things, PC: Qemu(network, "pc", PC_MAC)})
    cluster.cli("node", "set", "worker-0-[0-1]", "--image", cluster.image(root("node"), "pi"), "--strategy", "overlay")
    pc = cluster.image(root("pxe"), "pc")
    cluster.cli("node", "set", "worker-0-2", "--image", pc, "--strategy", "copy", "--model", "pxe")
    return cluster


def kill_in_mid_boot(cluster: Cluster) -> None:
    """SIGKILL graped while the first nodes run their kernels and none is up yet, and start it again."""
    # Half a second after its address a kernel has its root: that may be the first that is seen of it.
    running = {"kernel", "root"}
    cluster.until(lambda: not running.isdisjoint(cluster.stages().values()), 90.0, "a kernel runs")
    cluster.rack.daemon.stop(signal.SIGKILL)
    time.sleep(1.0)
    cluster.rack.start()


def up(cluster: Cluster, *slots: Slot) -> None:
    """Wait until nodes are up, and let us in: their SSH servers prove their keys while their systems still boot."""
    names = {f"worker-{stack}-{slot}" for stack, slot in slots}
    cluster.until(lambda: all(cluster.stages().get(name) == "up" for name in names), UP_S, f"{names} are up")
    for slot in slots:
        cluster.login(slot).wait(UP_S)


def test_machines_boot_their_own_roots(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    cluster.cli("power", "on", "@all")
    kill_in_mid_boot(cluster)
    up(cluster, ONE, TWO)
    pis_s = time.monotonic() - started

    one, two, pc = (cluster.login(slot) for slot in (ONE, TWO, PC))
    assert one.do("hostname") == "worker-0-0\n"  # by the pinned host key: strict checking is on
    assert two.do("hostname") == "worker-0-1\n"
    for login in (one, two):
        line = next(line for line in login.do("cat /proc/mounts").splitlines() if line.split()[1] == "/")
        assert line.split()[2] == "nfs"
        assert {"vers=3", "proto=tcp"} <= set(line.split()[3].split(","))
    ids = {
        login.do("cat /etc/machine-id; ssh-keyscan -t ed25519 localhost 2>/dev/null || true") for login in (one, two)
    }
    assert len(ids) == 2

    writes_stay_apart(cluster)
    up(cluster, PC)
    pc_s = time.monotonic() - started
    assert pc.do("hostname") == "worker-0-2\n"
    up(cluster, PC)  # again: a busy one may have been lost for a moment
    told = cluster.node("worker-0-2")
    assert (told["stage"], told["timeline"][-1]["stage"]) == ("up", "up")
    cluster.cli("image", "verify", "pi")  # three machines have run on two images: both are what they were
    cluster.cli("image", "verify", "pc")
    goes_back(cluster)
    assert cluster.rack.trouble() == []
    with capsys.disabled():
        print(
            f"\ntwo nodes (a kernel each, overlay) up after {pis_s:.0f} s, a PC by PXE (copy) after {pc_s:.0f} s,",
            end=" ",
        )
        print("graped killed in mid-boot")


def writes_stay_apart(cluster: Cluster) -> None:
    """What one node writes is seen by it alone, and listed."""
    one, two = cluster.login(ONE), cluster.login(TWO)
    one.do("echo mine > /root/mine; rm /etc/debian_version; chmod 700 /srv; sync")
    assert two.do("test ! -e /root/mine && cat /etc/debian_version") != ""
    changes = {change["path"]: change["kind"] for change in cluster.json("node", "diff", "worker-0-0")}
    assert changes["root/mine"] == "added"
    assert changes["etc/debian_version"] == "removed"
    assert changes["srv"] == "meta"
    assert "etc/hostname" not in changes  # that is graped's own writing
    assert "root/mine" not in {change["path"] for change in cluster.json("node", "diff", "worker-0-1")}


def goes_back(cluster: Cluster) -> None:
    """A snapshot of a node that is off is what a rollback brings back; a running node's root is not touched."""
    cluster.cli("node", "snapshot", "worker-0-0", "--label", "early", code=6)  # it is on
    cluster.cli("power", "off", "worker-0-0", "--wait", "--yes")
    cluster.cli("node", "snapshot", "worker-0-0", "--label", "early")
    cluster.cli("power", "on", "worker-0-0")
    up(cluster, ONE)
    cluster.login(ONE).do("echo late > /root/late; rm /root/mine; sync")
    cluster.cli("power", "off", "worker-0-0", "--wait", "--yes")
    cluster.cli("node", "rollback", "worker-0-0", "--yes")
    cluster.cli("power", "on", "worker-0-0")
    up(cluster, ONE)
    assert cluster.login(ONE).do("cat /root/mine; test ! -e /root/late") == "mine\n"
    assert cluster.login(TWO).do("hostname") == "worker-0-1\n"  # it ran through all of it
