"""graped and its servers as units of a real systemd: what hangs, dies or is restarted disturbs no node."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bootrom import Board, Loop, Rom
from tests.lab.cluster import stacks_of
from tests.lab.machines import Pi, Uml
from tests.lab.network import Network
from tests.lab.run import Run
from tests.lab.served import NODE, STATE, VENV, Served
from tests.lab.ssh import Login
from tests.netboot.images.building import boot_files, disk_image, portrait, rich_tree
from tests.netboot.images.tiny import tiny_root

ONE, SPARE = (0, 0), (0, 1)
NODE_NAME = "worker-0-0"
BOARD = Board(rom=Rom.PI4, mac="dc:a6:32:00:00:00", serial="10000000")
DNSMASQ, NFS = "grape-dnsmasq.service", "grape-nfs.service"
WATCHDOG_S = 20.0  # WatchdogSec= of graped.service
UP_S = 120.0
PATIENT_S = 120.0  # an NFS client whose server was away asks again at growing intervals, and all waits for it
HEALED_S = 60.0
SECOND_NS = 10**9
NOT_ALIKE = frozenset({"boot", "lost+found"})  # another partition; mke2fs makes the other


def test_units(lab: Run, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    """One machine for all of it: to boot it, to import an image and to boot a node takes longer than most steps."""
    network, loop = Network(lab), Loop()
    lab.at_end(loop.close)
    pi = Pi(network, loop, BOARD, "pi-0", kernel=Uml(network, "uml-0", BOARD.mac))
    master = Served(lab, network, stacks_of({ONE: BOARD.mac, SPARE: "dc:a6:32:00:00:01"}))
    steps: tuple[Callable[[], None], ...] = (
        lambda: begin(master, pi),
        lambda: the_sandbox_is_closed_as_far_as_its_job_allows(master),
        lambda: an_image_of_a_disk_keeps_all_that_files_can_have(master, tmp_path),
        lambda: a_command_in_an_image_runs_outside_of_the_sandbox(master),
        lambda: a_command_that_fails_is_told_with_its_code(master),
        lambda: a_command_ends_when_it_is_cancelled(master),
        lambda: a_command_ends_when_graped_is_killed(master),
        lambda: a_shell_in_an_image_makes_a_version(master),
        lambda: reload_reads_what_changed_and_refuses_mistakes(master),
        lambda: a_restart_in_the_middle_of_a_netboot_disturbs_nobody(master, pi),
        lambda: who_hangs_is_restarted_and_adopts_every_slot(master),
        lambda: killed_servers_come_back_and_the_node_goes_on(master),
        lambda: a_root_is_seen_by_the_server_and_can_be_mounted_anew_under_its_node(master),
        lambda: after_a_reboot_of_the_master_roots_are_there_before_nodes_are_switched_on(master, pi),
        lambda: a_root_that_was_replaced_is_let_go_of_and_unmounted(master),
    )
    took: list[str] = []
    for step in steps:
        started = time.monotonic()
        step()
        took.append(f"{time.monotonic() - started:.0f}")
    record_property("summary", f"units: seconds of {len(steps)} steps: {' '.join(took)}")


def begin(master: Served, pi: Pi) -> None:
    """Have a master that serves, and one node that has a root and is off."""
    master.start({ONE: pi})
    ref = master.json("image", "import", NODE, "--name", "pi")["result"]
    master.json("image", "prepare", ref)
    master.cli("node", "set", NODE_NAME, "--image", "pi")
    tiny_root(master.machine.path("/root/tiny"))
    master.json("image", "import", "/root/tiny", "--name", "tiny")  # is copied in no time


def the_sandbox_is_closed_as_far_as_its_job_allows(master: Served) -> None:
    for unit, limit in (("graped.service", 4.5), (DNSMASQ, 4.0)):
        said = master.machine.do("systemd-analyze", "security", "--no-pager", unit)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", said)
        assert found is not None
        assert float(found[1]) < limit, said
        assert found[2] == "OK"
    assert "lab.conf" in master.show("graped.service", "DropInPaths").split("/")[-1]  # and no other


def an_image_of_a_disk_keeps_all_that_files_can_have(master: Served, tmp_path: Path) -> None:
    tree = rich_tree(tmp_path / "tree")
    master.machine.put(disk_image(tmp_path / "pi.img", tree, boot_files(tmp_path / "boot")), "/root/pi.img")
    ref = master.json("image", "import", "/root/pi.img", "--name", "rich")["result"]
    there = master.state / "netboot/images" / ref / "root"
    kept = portrait(there, grain_ns=SECOND_NS, skip=NOT_ALIKE)
    assert kept == portrait(tree, grain_ns=SECOND_NS, skip=NOT_ALIKE)


INSIDE = "apt-get --version; su -s /bin/sh -c 'id -un' _apt; grep NoNewPrivs /proc/self/status; echo x >/etc/made"


def a_command_in_an_image_runs_outside_of_the_sandbox(master: Served) -> None:
    done = master.json("image", "exec", "--name", "made", "pi", "--", "sh", "-c", INSIDE)
    assert (master.state / "netboot/images" / done["result"] / "root/etc/made").read_text() == "x\n"
    said = "\n".join(done["output"])
    assert re.search(r"^apt \d", said, re.MULTILINE)
    assert "_apt\nNoNewPrivs:\t0" in said
    no_unit_is_left(master)


def a_command_that_fails_is_told_with_its_code(master: Served) -> None:
    failed = master.machine.attempt(f"{VENV}/bin/grapecli", "image", "exec", "tiny", "--", "sh", "-c", "exit 7")
    assert failed.returncode == 1
    assert "sh in the image ended with code 7" in failed.stderr
    no_unit_is_left(master)


def a_command_ends_when_it_is_cancelled(master: Served) -> None:
    job = begun(master)
    master.cli("jobs", "cancel", str(job))
    master.until(lambda: is_over(master), HEALED_S, "the command has ended")


def a_command_ends_when_graped_is_killed(master: Served) -> None:
    begun(master)
    master.machine.do("systemctl", "kill", "--signal=KILL", "graped")
    master.until(lambda: is_over(master), HEALED_S, "the command has ended")
    master.wait_back()


def begun(master: Served) -> int:
    """Have a command in an image that goes on and on, and give its job."""
    job: int = master.json("image", "exec", "--no-wait", "tiny", "--", "sleep", "1234")["id"]
    master.until(lambda: sleeping(master), HEALED_S, "the command runs")
    assert len(units_inside(master)) == 1
    return job


def is_over(master: Served) -> bool:
    """Whether nothing of it is left."""
    return not sleeping(master) and units_inside(master) == []


def a_shell_in_an_image_makes_a_version(master: Served) -> None:
    shell = f"echo 'echo x >/etc/by-hand' | {VENV}/bin/grapecli --json image shell tiny --keep"
    ref = json.loads(master.machine.do("sh", "-c", shell).splitlines()[-1])["result"]
    assert (master.state / "netboot/images" / ref / "root/etc/by-hand").read_text() == "x\n"


def reload_reads_what_changed_and_refuses_mistakes(master: Served) -> None:
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


def a_restart_in_the_middle_of_a_netboot_disturbs_nobody(master: Served, pi: Pi) -> None:
    servers = [master.pid(unit) for unit in (DNSMASQ, NFS)]
    master.cli("power", "on", NODE_NAME)
    master.until(lambda: bool(pi.roms and pi.roms[-1].files), UP_S, "files are fetched")
    written = master.writes_to_ports()
    master.machine.do("systemctl", "restart", "graped")
    assert pi.roms[-1].outcome in ("", "kernel")
    master.until(lambda: master.stage(NODE_NAME) == "up", UP_S, "the node is up")
    assert logged_in(master).do("hostname") == f"{NODE_NAME}\n"
    assert [master.pid(unit) for unit in (DNSMASQ, NFS)] == servers
    assert master.writes_to_ports() == written
    assert master.switches.trouble() == []


def who_hangs_is_restarted_and_adopts_every_slot(master: Served) -> None:
    before, pid, written = power(master), master.pid("graped"), master.writes_to_ports()
    master.machine.do("kill", "-STOP", str(pid))
    master.until(lambda: master.pid("graped") not in (0, pid), WATCHDOG_S + HEALED_S, "systemd has started another one")
    master.wait_back()
    said = master.machine.journal("graped")
    assert "Watchdog timeout" in said
    assert master.show("graped", "WatchdogUSec") == f"{WATCHDOG_S:g}s"
    assert "Fatal Python error: Aborted" in said  # and where it hung
    assert power(master) == before
    assert master.writes_to_ports() == written
    master.until(lambda: master.stage(NODE_NAME) == "up", UP_S, "the node is seen to be up")


def killed_servers_come_back_and_the_node_goes_on(master: Served) -> None:
    pids = {unit: master.pid(unit) for unit in (DNSMASQ, NFS)}
    master.machine.do("kill", "-KILL", *map(str, pids.values()))
    for unit, pid in pids.items():
        master.until(lambda unit=unit, pid=pid: master.pid(unit) not in (0, pid), HEALED_S, f"{unit} runs again")  # type: ignore[misc]
    master.wait_served()
    login = logged_in(master)
    assert login.do("echo later >/root/file; sync; cat /root/file", PATIENT_S) == "later\n"


def a_root_is_seen_by_the_server_and_can_be_mounted_anew_under_its_node(master: Served) -> None:
    root, unit = f"{STATE}/netboot/roots/{NODE_NAME}/1/fs", f"grape-root@{NODE_NAME}--1.service"
    seen = master.machine.path(f"/proc/{master.pid(NFS)}/root{root}/etc/hostname")
    assert seen.read_text() == f"{NODE_NAME}\n"
    login = logged_in(master)
    login.do("echo before >/root/before; sync")
    first = master.show(unit, "InvocationID")
    master.machine.do("systemctl", "restart", "graped")
    master.wait_back()
    assert master.show(unit, "InvocationID") == first  # nobody unmounts for a restart
    master.machine.do("sh", "-c", f"systemctl stop {NFS} {unit}; true")  # graped is quick to ask for both again
    master.until(lambda: is_anew(master, unit, first), HEALED_S, "it is mounted anew")
    assert "in use" not in master.machine.journal(unit)  # by the copy of the mount in graped's namespace, say
    master.wait_served()
    login = logged_in(master)
    inside = "cat /root/before; ls /usr/bin | wc -l; echo after >/root/after; sync"
    assert login.do(inside, PATIENT_S).startswith("before\n")
    assert (master.state / f"netboot/roots/{NODE_NAME}/1/fs/root/after").read_text() == "after\n"
    assert "stale" not in login.do("dmesg | tail -50; journalctl --no-pager -n 50", check=False).lower()


def after_a_reboot_of_the_master_roots_are_there_before_nodes_are_switched_on(master: Served, pi: Pi) -> None:
    master.cli("power", "off", NODE_NAME, "--wait", "--yes")
    master.reboot({ONE: pi})
    master.wait_back()
    master.cli("power", "on", NODE_NAME, "--wait=up")
    assert logged_in(master).do("cat /root/after") == "after\n"
    order = [
        master.show(unit, "ActiveEnterTimestampMonotonic") for unit in (f"grape-root@{NODE_NAME}--1", NFS, DNSMASQ)
    ]
    assert order == sorted(order, key=int)


def a_root_that_was_replaced_is_let_go_of_and_unmounted(master: Served) -> None:
    master.cli("node", "reset", NODE_NAME, "--yes")  # for its next boot
    master.cli("power", "off", NODE_NAME, "--wait", "--yes")
    old, new = (f"grape-root@{NODE_NAME}--{generation}" for generation in (1, 2))
    master.until(lambda: master.show(old, "ActiveState") == "inactive", HEALED_S, "the old root is unmounted")
    master.until(lambda: master.show(new, "ActiveState") == "active", HEALED_S, "the new root is mounted")
    master.wait_served()


def logged_in(master: Served) -> Login:
    """Wait until the node lets us in: without its root nothing runs on it."""
    login = master.login(ONE)
    login.wait(PATIENT_S)
    return login


def is_anew(master: Served, unit: str, first: str) -> bool:
    """Whether a unit runs again, not still."""
    return master.show(unit, "InvocationID") not in ("", first) and master.show(unit, "ActiveState") == "active"


def power(master: Served) -> dict[str, str]:
    """Tell each slot's power as graped has read it."""
    return {node["name"]: node["power"]["observed"] for node in master.client().get("/v1/nodes")}


def units_inside(master: Served) -> list[str]:
    """Name the units in which commands in images run."""
    said = master.machine.do("systemctl", "list-units", "--all", "--plain", "--no-legend", "grape-inside-*")
    return [line.split()[0] for line in said.splitlines()]


def no_unit_is_left(master: Served) -> None:
    """Wait for systemd to forget the unit of a command that has ended."""
    master.until(lambda: units_inside(master) == [], HEALED_S, "its unit is gone")


def sleeping(master: Served) -> bool:
    """Whether the command of the test runs, wherever."""
    return master.machine.attempt("pgrep", "--full", "^sleep 1234$").returncode == 0
