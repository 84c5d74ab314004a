"""graped and its servers as units of a real systemd: what hangs, dies or is restarted disturbs no node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.conftest import why_not
from tests.lab.machines import Pi, Uml
from tests.lab.network import Network
from tests.lab.run import Run
from tests.lab.suites.system.served import NODE, STATE, Served
from tests.netboot.images.building import boot_files, disk_image, portrait, rich_tree

ONE, SPARE = (0, 0), (0, 1)
NODE_NAME = "worker-0-0"
BOARD = Board(rom=Rom.PI4, mac="dc:a6:32:00:00:00", serial="10000000")
DNSMASQ, NFS = "grape-dnsmasq.service", "grape-nfs.service"
WATCHDOG_S = 20.0  # WatchdogSec= of graped.service
UP_S = 90.0
HEALED_S = 20.0
SECOND_NS = 10**9
NOT_ALIKE = frozenset({"boot", "lost+found"})  # another partition; mke2fs makes the other


@pytest.fixture(scope="module")
def pi() -> Iterator[Pi]:
    """A machine of the lab with a network for it; skipped where this is no lab."""
    if reason := why_not():
        pytest.skip(reason)
    with Run() as run:
        network, loop = Network(run), Loop()
        run.at_end(loop.close)
        yield Pi(network, loop, BOARD, "pi-0", kernel=Uml(network, "uml-0", BOARD.mac))


@pytest.fixture(scope="module")
def master(pi: Pi) -> Served:
    """A master that serves, with one node that has a root and is off."""
    network = pi.kernel.network
    master = Served(network.run, network, {ONE: BOARD.mac, SPARE: "dc:a6:32:00:00:01"})
    master.start({ONE: pi})
    ref = master.json("image", "import", NODE, "--name", "pi")["result"]
    master.json("image", "prepare", ref)
    master.cli("node", "set", NODE_NAME, "--image", "pi")
    return master


@pytest.fixture
def up(master: Served) -> Served:
    """The same master when its node is up."""
    master.cli("power", "on", NODE_NAME, "--wait=up")
    return master


def test_the_sandbox_is_closed_as_far_as_its_job_allows(master: Served) -> None:
    for unit, limit in (("graped.service", 4.5), (DNSMASQ, 4.0)):
        said = master.machine.do("systemd-analyze", "security", "--no-pager", unit)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", said)
        assert found is not None
        assert float(found[1]) < limit, said
        assert found[2] == "OK"
    assert "lab.conf" in master.show("graped.service", "DropInPaths").split("/")[-1]  # and no other


def test_an_image_of_a_disk_keeps_all_that_files_can_have(master: Served, tmp_path: Path) -> None:
    tree = rich_tree(tmp_path / "tree")
    master.machine.put(disk_image(tmp_path / "pi.img", tree, boot_files(tmp_path / "boot")), "/root/pi.img")
    ref = master.json("image", "import", "/root/pi.img", "--name", "rich")["result"]
    there = master.state / "netboot/images" / ref / "root"
    kept = portrait(there, grain_ns=SECOND_NS, skip=NOT_ALIKE)
    assert kept == portrait(tree, grain_ns=SECOND_NS, skip=NOT_ALIKE)


INSIDE = "apt-get --version; su -s /bin/sh -c 'id -un' _apt; grep NoNewPrivs /proc/self/status; echo x >/etc/made"


def test_a_command_in_an_image_runs_outside_of_the_sandbox(master: Served) -> None:
    done = master.json("image", "exec", "--name", "made", "pi", "--", "sh", "-c", INSIDE)
    assert (master.state / "netboot/images" / done["result"] / "root/etc/made").read_text() == "x\n"
    said = "\n".join(done["output"])
    assert re.search(r"^apt \d", said, re.MULTILINE)
    assert "_apt\nNoNewPrivs:\t0" in said
    master.cli("image", "exec", "pi", "--", "sh", "-c", "exit 7", code=1)
    assert units_inside(master) == []


@pytest.mark.parametrize("end", ["cancelled", "graped killed"])
def test_a_command_in_an_image_ends_with_who_asked_for_it(master: Served, end: str) -> None:
    job = master.json("image", "exec", "--no-wait", "pi", "--", "sleep", "1234")["id"]
    master.until(lambda: sleeping(master), 30.0, "the command runs")
    assert len(units_inside(master)) == 1
    if end == "cancelled":
        master.cli("jobs", "cancel", str(job))
    else:
        master.machine.do("systemctl", "kill", "--signal=KILL", "graped")
    master.until(lambda: not sleeping(master) and units_inside(master) == [], 10.0, "the command has ended")
    master.wait_back()


def test_reload_reads_what_changed_and_refuses_mistakes(master: Served) -> None:
    config = master.machine.path("/etc/grape/config.toml")
    sound = config.read_text()
    try:
        config.write_text(sound.replace("stagger_s = 0.1", "stagger_s = 0.3"))
        master.machine.do("systemctl", "reload", "graped")
        assert "stagger_s = 0.3" in master.cli("config", "show")
        config.write_text(sound.replace("stagger_s = 0.1", "stager_s = 0.5"))
        refused = master.machine.attempt("systemctl", "reload", "graped")
        assert refused.returncode != 0
        assert "journalctl" in refused.stderr
        assert "did you mean 'stagger_s'" in master.machine.journal("graped")
        assert "stagger_s = 0.3" in master.cli("config", "show")
    finally:
        config.write_text(sound)
    master.machine.do("systemctl", "reload", "graped")


def test_a_restart_in_the_middle_of_a_netboot_disturbs_nobody(master: Served, pi: Pi) -> None:
    servers = [master.pid(unit) for unit in (DNSMASQ, NFS)]
    master.cli("power", "on", NODE_NAME)
    master.until(lambda: bool(pi.roms and pi.roms[-1].files), 30.0, "files are fetched")
    written = master.writes_to_ports()
    master.machine.do("systemctl", "restart", "graped")
    assert pi.roms[-1].outcome in ("", "kernel")
    master.until(lambda: master.stage(NODE_NAME) == "up", UP_S, "the node is up")
    assert master.login(ONE).do("hostname") == f"{NODE_NAME}\n"
    assert [master.pid(unit) for unit in (DNSMASQ, NFS)] == servers
    assert master.writes_to_ports() == written
    assert master.switches.trouble() == []


def test_who_hangs_is_restarted_and_adopts_every_slot(up: Served) -> None:
    before, pid, written = power(up), up.pid("graped"), up.writes_to_ports()
    up.machine.do("kill", "-STOP", str(pid))
    took_s = up.until(lambda: up.pid("graped") not in (0, pid), WATCHDOG_S + 10.0, "systemd has started another one")
    assert took_s < WATCHDOG_S + 5.0
    up.wait_back()
    assert "Watchdog timeout" in up.machine.journal("graped")
    assert power(up) == before
    assert up.writes_to_ports() == written
    up.until(lambda: up.stage(NODE_NAME) == "up", 30.0, "the node is seen to be up")


def test_killed_servers_come_back_and_the_node_goes_on(up: Served) -> None:
    pids = {unit: up.pid(unit) for unit in (DNSMASQ, NFS)}
    up.machine.do("kill", "-KILL", *map(str, pids.values()))
    for unit, pid in pids.items():
        up.until(lambda unit=unit, pid=pid: up.pid(unit) not in (0, pid), HEALED_S, f"{unit} runs again")  # type: ignore[misc]
    up.wait_served()
    assert up.login(ONE).do("echo later >/root/file; sync; cat /root/file") == "later\n"


def test_a_root_is_seen_by_the_server_and_can_be_mounted_anew_under_its_node(up: Served) -> None:
    root, unit = f"{STATE}/netboot/roots/{NODE_NAME}/1/fs", f"grape-root@{NODE_NAME}--1.service"
    seen = up.machine.path(f"/proc/{up.pid(NFS)}/root{root}/etc/hostname")
    assert seen.read_text() == f"{NODE_NAME}\n"
    login = up.login(ONE)
    login.do("echo before >/root/before; sync")
    first = up.show(unit, "InvocationID")
    up.machine.do("systemctl", "restart", "graped")
    up.wait_back()
    assert up.show(unit, "InvocationID") == first  # nobody unmounts for a restart
    up.machine.do("sh", "-c", f"systemctl stop {NFS} {unit}; true")  # graped is quick to ask for both again
    mounted = lambda: up.show(unit, "InvocationID") not in ("", first) and up.show(unit, "ActiveState") == "active"  # noqa: E731
    up.until(mounted, HEALED_S, "it is mounted anew")
    assert "in use" not in up.machine.journal(unit)  # by the copy of the mount in graped's namespace, say
    up.wait_served()
    assert login.do("cat /root/before; ls /usr/bin | wc -l; echo after >/root/after; sync").startswith("before\n")
    assert (up.state / f"netboot/roots/{NODE_NAME}/1/fs/root/after").read_text() == "after\n"
    assert "stale" not in login.do("dmesg | tail -50; journalctl --no-pager -n 50", check=False).lower()


def test_after_a_reboot_of_the_master_roots_are_there_before_nodes_are_switched_on(up: Served, pi: Pi) -> None:
    up.cli("power", "off", NODE_NAME, "--wait", "--yes")
    up.reboot({ONE: pi})
    up.wait_back()
    up.cli("power", "on", NODE_NAME, "--wait=up")
    assert up.login(ONE).do("cat /root/after") == "after\n"
    order = [up.show(unit, "ActiveEnterTimestampMonotonic") for unit in (f"grape-root@{NODE_NAME}--1", NFS, DNSMASQ)]
    assert order == sorted(order, key=int)


def power(master: Served) -> dict[str, str]:
    """Tell each slot's power as graped has read it."""
    return {node["name"]: node["power"]["observed"] for node in master.client().get("/v1/nodes")}


def units_inside(master: Served) -> list[str]:
    """Name the units in which commands in images run."""
    said = master.machine.do("systemctl", "list-units", "--all", "--plain", "--no-legend", "grape-inside-*")
    return [line.split()[0] for line in said.splitlines()]


def sleeping(master: Served) -> bool:
    """Whether the command of the test runs, wherever."""
    return master.machine.attempt("pgrep", "--full", "^sleep 1234$").returncode == 0
