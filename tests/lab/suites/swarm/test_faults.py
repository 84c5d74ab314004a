"""The fault table: each fault of a node or of the master is healed by itself, or told with its cause and then healed.

A fault stays where it is: the two other nodes are ready all the time.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.archive import archive
from tests.lab.cluster import address
from tests.lab.crowd import DAEMON, Crowd
from tests.lab.slave import Slave
from tests.lab.suites.swarm.configured import configured

NAME = "worker-0-1"
OTHERS = ("worker-0-0", "worker-0-2")
STATUS = "/var/lib/grape-docker/status.json"
KNOWN = "/var/lib/grape-docker/known.json"
FAKE = "/etc/ssh/sshd_config.d/faketime.conf"
FAKETIME = "SetEnv LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME=-2y\n"
TOLD_S = 120.0
HEALED_S = 180.0
STILL_S = 10.0  # a machine with much to do may miss a node's heartbeats, which come each second


@pytest.fixture
def node(crowd: Crowd) -> Iterator[Slave]:
    """Give one of three nodes that are in the swarm; whatever is done to it, the others stay ready."""
    crowd.up()
    yield crowd.slaves[NAME]
    crowd.until(lambda: crowd.ready(*OTHERS), STILL_S, f"{OTHERS} are ready")


def troubles(crowd: Crowd, name: str = NAME) -> dict[str, dict[str, Any]]:
    """What grape_docker says is wrong with a node, by code."""
    found = json.loads(crowd.machine.path(STATUS).read_text())["troubles"]
    return {one["code"]: one for one in found if one["name"] == name}


def told(crowd: Crowd, code: str) -> dict[str, Any]:
    """Wait until the node's trouble of this code is told, and give it."""
    found: dict[str, dict[str, Any]] = {}

    def is_told() -> bool:
        found.update(troubles(crowd))
        return code in found

    crowd.until(is_told, TOLD_S, f"{code} is told of {NAME}, not {troubles(crowd)}")
    return found[code]


def healed(crowd: Crowd) -> float:
    """Wait until the node is in the swarm, once, and nothing is wrong with it; tell how long that took."""
    return crowd.until(
        lambda: crowd.settled(NAME) and not troubles(crowd), HEALED_S, f"{NAME} is in: {troubles(crowd)}"
    )


def put_out(crowd: Crowd, node: Slave) -> None:
    """Have the node be in no swarm, so that it has to join."""
    (entry,) = crowd.entries(NAME)
    node.do("docker", "swarm", "leave")
    crowd.machine.attempt("docker", "node", "rm", "--force", entry.id)  # grape_docker may have been faster
    crowd.until(lambda: entry.id not in {one.id for one in crowd.entries()}, TOLD_S, "its entry is gone")


# --- SSH ------------------------------------------------------------------------------------------------


def test_a_wrong_host_key_is_told_and_nobody_logs_in(crowd: Crowd, node: Slave) -> None:
    etc = node.path("/etc/ssh")
    kept = {path.name: path.read_bytes() for path in etc.glob("ssh_host_ed25519_key*")}
    try:
        node.new_host_key()
        node.do("systemctl", "restart", "ssh")
        put_out(crowd, node)
        crowd.until(lambda: "is not the pinned one" in _why(crowd), TOLD_S, f"the key is told: {_why(crowd)}")
        logins = node.journal("ssh").count("Accepted publickey")
        time.sleep(2.0)
        assert node.journal("ssh").count("Accepted publickey") == logins
        assert not crowd.entries(NAME)
    finally:
        for name, data in kept.items():
            (etc / name).write_bytes(data)
        node.do("systemctl", "restart", "ssh")
    healed(crowd)


def test_ssh_that_is_refused_is_told(crowd: Crowd, node: Slave) -> None:
    try:
        node.do("systemctl", "stop", "ssh")
        crowd.until(lambda: "closed" in _why(crowd) or "refused" in _why(crowd), TOLD_S, f"told: {_why(crowd)}")
        crowd.until(lambda: crowd.ready(NAME), STILL_S, "it is in the swarm all the same")
    finally:
        node.do("systemctl", "start", "ssh")
    crowd.until(lambda: crowd.master.stage(NAME) == "up", HEALED_S, "it is up again")
    healed(crowd)


def _why(crowd: Crowd) -> str:
    """All that graped and grape_docker say of the node."""
    return " ".join((str(crowd.json("node", "show", NAME)["stage_reason"]), json.dumps(troubles(crowd))))


# --- the node -------------------------------------------------------------------------------------------


def test_docker_that_cannot_be_installed_is_told_then_installed_from_the_master(
    crowd: Crowd, node: Slave, tmp_path: Path
) -> None:
    folder = crowd.machine.path("/srv/debs")
    folder.mkdir(exist_ok=True)
    (deb,) = archive().glob("docker.io_*.deb")
    shutil.copy(deb, folder)
    node.do("dpkg", "--remove", "docker.io")  # its configuration and images stay
    found = told(crowd, "docker_not_installable")
    assert "Temporary failure resolving" in found["message"] or "Unable to" in found["message"], found
    with configured(crowd, '[docker]\ndebs = "/srv/debs"\n'):
        healed(crowd)
    assert "docker.io" in node.do("dpkg-query", "--show", "docker.io")


def test_a_clock_that_is_faked_is_told_and_nothing_is_set(crowd: Crowd, node: Slave) -> None:
    offset = time.time() - time.monotonic()
    node.path(FAKE).write_text(FAKETIME)
    node.do("systemctl", "restart", "ssh")
    try:
        put_out(crowd, node)
        found = told(crowd, "clock_skew")
        assert "2.0 years behind and cannot be set" in found["message"], found
        assert "Operation not permitted" in found["message"], found
        assert not crowd.entries(NAME)
        crowd.until(lambda: _failures(crowd) > 1, TOLD_S, "it is tried again")
        assert found["message"] in crowd.grape_docker("status")
    finally:
        node.path(FAKE).unlink()
        node.do("systemctl", "restart", "ssh")
    healed(crowd)
    assert abs(time.time() - time.monotonic() - offset) < 60.0, "the clock of this machine was set"
    crowd.until(lambda: any("over after" in line for line in _of_clocks(crowd)), TOLD_S, "it is told to be over")
    lines = _of_clocks(crowd)
    assert len([line for line in lines if "over after" in line]) == 1, "told once when it is over"
    assert len(lines) == 2, "and once when it began, however often it was tried"


def _of_clocks(crowd: Crowd) -> list[str]:
    return [line for line in crowd.machine.journal(DAEMON).splitlines() if "its clock is" in line]


def test_a_full_disk_is_told_and_the_node_comes_back_when_there_is_room(crowd: Crowd, node: Slave) -> None:
    crowd.machine.do("systemctl", "stop", DAEMON)  # it would start Docker again while it stops
    node.do("systemctl", "stop", "docker.socket", "docker.service")
    full = "mount -t tmpfs -o size=64M full /var/lib/docker && head -c 60M /dev/zero >/var/lib/docker/full"
    node.do("sh", "-c", full)
    crowd.machine.do("systemctl", "start", DAEMON)
    try:
        found = told(crowd, "disk_full")
        assert re.search(r"disk is full: \d+ MB free in /var/lib/docker", found["message"]), found
    finally:
        node.do("sh", "-c", "until umount /var/lib/docker; do sleep 0.2; done")  # somebody may be looking at it
    healed(crowd)


def test_a_node_in_another_swarm_is_told_and_taken_only_if_we_say_so(crowd: Crowd, node: Slave) -> None:
    crowd.machine.do("systemctl", "stop", DAEMON)  # it would be quicker to have it back
    node.do("sh", "-c", f"docker swarm leave && docker swarm init --advertise-addr={node.address}")
    crowd.machine.do("systemctl", "start", DAEMON)
    theirs = node.do("docker", "info", "--format={{.Swarm.Cluster.ID}}")
    found = told(crowd, "foreign_swarm")
    assert f"another swarm ({node.address}:2377)" in found["message"]
    assert node.do("docker", "info", "--format={{.Swarm.Cluster.ID}}") == theirs, "not stolen"
    with configured(crowd, "[docker]\ntake_over = true\n"):
        healed(crowd)


def test_a_node_with_another_host_name_gets_its_own_again(crowd: Crowd, node: Slave) -> None:
    (before,) = crowd.entries(NAME)
    node.do("sh", "-c", "echo raspberrypi >/etc/hostname; hostname raspberrypi; systemctl restart docker")
    crowd.until(lambda: before.id not in {one.id for one in crowd.entries(NAME)}, HEALED_S, "it has another entry")
    healed(crowd)
    assert node.do("hostname").strip() == NAME
    names = {"master", NAME, *OTHERS}
    crowd.until(lambda: {entry.hostname for entry in crowd.entries()} == names, TOLD_S, "no entry is left behind")
    assert crowd.entries(NAME)[0].id != before.id


def test_a_node_whose_address_changed_joins_again(crowd: Crowd, node: Slave) -> None:
    old, new = address((0, 1)), "10.77.0.61"
    (before,) = crowd.entries(NAME)
    try:
        node.place.set_address(f"{new}/24")
        with configured(crowd, f'[cluster.stacks.0.devices.1]\naddress = "{new}"\n'):
            crowd.until(
                lambda: [one.address for one in crowd.entries(NAME)] == [new], HEALED_S, "it is at its new address"
            )
            healed(crowd)
            assert crowd.entries(NAME)[0].labels == before.labels
            node.place.set_address(f"{old}/24")
    finally:
        node.place.set_address(f"{old}/24")
    crowd.until(lambda: [one.address for one in crowd.entries(NAME)] == [old], HEALED_S, "it is back")
    healed(crowd)


# --- the master -----------------------------------------------------------------------------------------


def test_a_manager_that_is_restarted_has_its_nodes_again(crowd: Crowd, node: Slave) -> None:
    before = {entry.id for entry in crowd.entries()}
    crowd.machine.do("systemctl", "kill", "--signal=KILL", "docker")
    crowd.machine.do("systemctl", "restart", "docker")
    crowd.until(lambda: crowd.ready(*crowd.slaves) and not _all(crowd), HEALED_S, "all are ready again")
    assert {entry.id for entry in crowd.entries()} == before, "nobody had to join again"
    put_out(crowd, node)
    healed(crowd)


def test_graped_that_is_restarted_is_heard_again(crowd: Crowd, node: Slave) -> None:
    before = {entry.id for entry in crowd.entries()}
    crowd.machine.do("systemctl", "kill", "--signal=KILL", "graped")
    crowd.machine.do("systemctl", "start", "graped")
    crowd.master.wait_back()
    assert all(slave.running for slave in crowd.slaves.values())
    assert {entry.id for entry in crowd.entries()} == before
    put_out(crowd, node)
    healed(crowd)


def test_a_registry_that_is_down_keeps_no_node_out(crowd: Crowd, node: Slave) -> None:
    with configured(crowd, "[docker]\nregistry = true\n"):
        before = crowd.entries(NAME)[0].id
        crowd.machine.do("systemctl", "start", "grape-registry")
        there = node.path("/etc/docker")
        crowd.until(lambda: bool(list(there.glob("certs.d/*/ca.crt"))), HEALED_S, "it trusts the registry")
        crowd.until(lambda: "registry-mirrors" in (there / "daemon.json").read_text(), TOLD_S, "and asks it first")
        assert crowd.entries(NAME)[0].id == before, "told where it was"
        crowd.machine.do("systemctl", "stop", "grape-registry")
        put_out(crowd, node)
        healed(crowd)
        said = crowd.machine.attempt("/opt/grape/venv/bin/grape_docker", "image", "list")
        assert said.returncode
        assert "registry" in said.stderr.lower(), said.stderr
    none = '"registry-mirrors": []'
    crowd.until(lambda: none in (there / "daemon.json").read_text(), TOLD_S, "it asks nobody who is not there")


def test_a_token_that_was_rotated_is_asked_for_anew(crowd: Crowd, node: Slave) -> None:
    before = crowd.docker("swarm", "join-token", "--quiet", "worker")
    crowd.docker("swarm", "join-token", "--rotate", "worker")
    assert crowd.docker("swarm", "join-token", "--quiet", "worker") != before
    put_out(crowd, node)
    healed(crowd)


def _failures(crowd: Crowd) -> int:
    """How often grape_docker tried in vain to have the node join, as it remembers."""
    return int(json.loads(crowd.machine.path(KNOWN).read_text())[NAME]["retry"]["failures"])


def _all(crowd: Crowd) -> list[Any]:
    found: list[Any] = json.loads(crowd.machine.path(STATUS).read_text())["troubles"]
    return found
