"""What is pure in this room, and the look's script on this very machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from grape_docker.nodes import clock, facts, install, storage, swarming, trusting
from grape_docker.nodes.engine import engine_of
from grape_docker.nodes.remote import script_of
from grape_docker.nodes.trouble import Code, NodeTrouble, of_ssh
from grape_docker.nodes.values import Folder
from grape_docker.registry.place import Address
from grape_docker.registry.trust import Trust
from graped.errors import CommandFailed, HostKeyChanged, SshError, SshTimeout
from tests.docker.nodes.fake_node import certificate

KEYS = [
    "Swarm",
    "RemoteManagers",
    "Cluster",
    "ID",
    "Addr",
    "NodeID",
    "Error",
    "LocalNodeState",
    "Driver",
    "MemoryLimit",
]


def test_the_look_works_on_a_real_machine() -> None:
    asked = time.time()
    done = subprocess.run(["sh", "-s"], input=script_of("look.sh"), capture_output=True, text=True, check=True)
    machine = facts.machine_of(done.stdout, asked=asked, answered=time.time())
    assert machine.hostname == socket.gethostname()
    assert machine.uid == os.getuid()
    assert abs(machine.skew_s) <= machine.skew_error_s + 0.01
    assert machine.data.kind
    assert machine.data.free_bytes > 0
    assert not clock.is_off(machine)


def test_a_slow_answer_is_no_skew() -> None:
    assert not clock.is_off(facts.machine_of("now 100\n", asked=100.0, answered=160.0))
    assert clock.is_off(facts.machine_of("now 100\n", asked=120.0, answered=121.0))


@pytest.mark.parametrize(
    ("skew_s", "words"),
    [(-63_115_200.0, "2.0 years behind"), (90_000.0, "1.0 days ahead"), (-7200.0, "2.0 hours behind"),
     (61.0, "1.0 minutes ahead"), (-11.4, "11 seconds behind")],
)  # fmt: skip
def test_a_skew_in_words(skew_s: float, words: str) -> None:
    assert clock.words(skew_s) == words


def test_the_swarm_is_read_from_the_certificate() -> None:
    machine = facts.machine_of(f"uid 0\ncert\n{certificate('their-swarm', 'its-id')}", asked=0, answered=0)
    assert (machine.swarm_id, machine.member_id) == ("their-swarm", "its-id")
    assert facts.machine_of("uid 0\ncert\ngarbage\n", asked=0, answered=0).swarm_id == ""


def test_what_was_not_said_hinders_nothing() -> None:
    machine = facts.machine_of("", asked=5.0, answered=7.0)
    storage.check_room(machine.data)
    assert (machine.cgroup_memory, machine.docker, machine.skew_s) == (True, False, 0.0 - 1.0)


@settings(max_examples=200)
@given(some.text(), some.lists(some.sampled_from(["now", "uid", "fs", "addresses", "cert", "data"])))
def test_whatever_a_node_says_is_read(text: str, keys: list[str]) -> None:
    lines = "\n".join(f"{key} {text}" for key in keys)
    machine = facts.machine_of(f"{lines}\n{text}", asked=1.0, answered=2.0)
    assert machine.hostname.isprintable()


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=9),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(some.dictionaries(some.sampled_from(KEYS), JSON))
def test_whatever_its_docker_says_is_read(said: dict[str, object]) -> None:
    found = engine_of(said, "1.41")
    assert found.swarm_state
    assert found.swarm_error.isprintable()


def test_what_a_node_says_is_one_line_that_no_terminal_obeys() -> None:
    assert NodeTrouble(Code.BROKEN, "red \x1b[31m alert\n\r" + "x" * 9999).message.startswith("red [31m alert xxx")
    assert len(NodeTrouble(Code.BROKEN, "x" * 9999).message) == 500


def test_inodes_can_be_out_too() -> None:
    with pytest.raises(NodeTrouble, match="7 inodes free"):
        storage.check_room(Folder(path="/var/lib/docker", kind="ext2/ext3", free_bytes=10**10, free_inodes=7))
    storage.check_room(Folder(path="/var/lib/docker", kind="btrfs", free_bytes=10**10))


@pytest.mark.parametrize(
    ("text", "numbers"), [("20.10.24+dfsg1", (20, 10, 24)), ("28.2.2", (28, 2, 2)), ("20.10", (20, 10)), ("", ())]
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert install.version_of(text) == numbers


def test_a_node_without_memory_cgroup_is_warned_about() -> None:
    machine = facts.machine_of("cgroup_memory 0\nfs 1 1 1 1 xfs\n", asked=0, answered=0)
    engine = engine_of({"Driver": "vfs", "MemoryLimit": False}, "1.41")
    driver, memory = storage.warnings(machine, engine)
    assert "vfs" in driver
    assert "cgroup_enable=memory" in memory


def test_why_an_installation_failed_is_its_first_complaint() -> None:
    stderr = "W: something\nE: Failed to fetch http://x/ Could not resolve\nE: Unable to fetch some archives\n"
    assert install.reason(CommandFailed("x", stderr=stderr)) == "Failed to fetch http://x/ Could not resolve"
    unmet = "have unmet dependencies:\n docker.io : Depends: runc but it is not installable\nE: Unable\n"
    assert install.reason(CommandFailed("x", stderr=unmet)) == "docker.io : Depends: runc but it is not installable"
    assert install.reason(CommandFailed("ended with 1")) == "ended with 1"


def test_what_docker_refuses_has_a_code() -> None:
    assert swarming.code_of("x509: certificate has expired or is not yet valid: current time ...") is Code.CLOCK
    assert swarming.code_of("remote CA does not match fingerprint. Expected: 00") is Code.TOKEN
    assert swarming.code_of("Timeout was reached before node joined.") is Code.MANAGER
    assert swarming.code_of("else") is Code.JOIN


def test_ssh_keeps_its_codes() -> None:
    assert of_ssh(HostKeyChanged("a: another key", node="a"), "a").lasting
    assert of_ssh(HostKeyChanged("a: another key", node="a"), "a").message == "another key"
    assert of_ssh(SshTimeout("x"), "a").code is Code.SSH_TIMEOUT
    assert of_ssh(CommandFailed("x"), "a").code is Code.BROKEN
    codes = set(map(str, Code))
    assert {kind.code for kind in SshError.__subclasses__()} <= codes


def test_a_registry_that_moves_takes_its_former_place_along(tmp_path: Path) -> None:
    trust = Trust(address=Address(host="10.0.0.2"), ca_pem="it's a certificate\n")
    before = json.dumps({"debug": True, "registry-mirrors": ["https://10.0.0.1:5000", "https://mine"]})
    after = trusting.changed(before, trust, "10.0.0.1:5000")
    assert after is not None
    assert json.loads(after) == {"debug": True, "registry-mirrors": ["https://10.0.0.2:5000", "https://mine"]}
    text = trusting.script(None, trust, "10.0.0.1:5000").replace("/etc/docker", str(tmp_path))
    (tmp_path / "certs.d/10.0.0.1:5000").mkdir(parents=True)
    subprocess.run(["sh", "-s"], input=text, text=True, check=True)
    assert (tmp_path / "certs.d/10.0.0.2:5000/ca.crt").read_text() == trust.ca_pem
    assert (tmp_path / "grape-registry.stamp").read_text() == trusting.stamp_of(trust)
    assert not (tmp_path / "certs.d/10.0.0.1:5000").exists()
    assert trusting.changed(after, None, "10.0.0.2:5000") is not None
