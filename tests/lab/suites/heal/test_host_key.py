"""A node that shows another host key than the pinned one is left alone by every command, until somebody accepts it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graped.network.ssh_keys import fingerprint_of
from tests.lab.suites.heal.conftest import Wards
from tests.lab.ward import QUICK, Ward
from tests.live.daemon import BIN

NODE, OTHER = "worker-1-0", "worker-1-1"  # the second one is as it was
BOTH = f"{NODE},{OTHER}"
CHANGED = "host_key_changed"
UP_S = 180.0


@pytest.fixture(scope="module")
def ward(wards: Wards) -> Ward:
    """Give two nodes with a card, both up, one of which was given another host key while it runs."""
    ward = wards(cards=2, more=QUICK)
    ward.up(NODE, OTHER)
    return ward


def new_key(ward: Ward) -> None:
    """Give the node another host key, as an installation would; a login from before goes on, and must not be used."""
    ward.cards[NODE].new_host_key()
    ward.cards[NODE].do("systemctl", "restart", "ssh")


def accept(ward: Ward) -> None:
    """Accept the key that the node shows."""
    ward.cli("node", "trust", NODE, "--fingerprint", fingerprint_of(ward.cards[NODE].host_key))


def attempt(ward: Ward, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run grapecli on the master, whatever comes of that."""
    command = ward.master.command(BIN / "grapecli", "--socket", ward.rack.daemon.socket, *words)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60.0, env={**os.environ, **env}
    )


def ran(ward: Ward, *, code: int) -> dict[str, Any]:
    """Run a command on both nodes."""
    done = attempt(ward, "--json", "run", BOTH, "--", "hostname")
    assert done.returncode == code, done.stdout + done.stderr
    return {node["name"]: node for node in json.loads(done.stdout)["nodes"]}


def check_run(ward: Ward) -> None:
    found = ran(ward, code=1)
    assert found[NODE]["error"]["code"] == CHANGED
    assert f"grapecli node trust {NODE}" in found[NODE]["error"]["hint"]
    assert found[NODE]["stdout"] == ""
    assert (found[OTHER]["error"], found[OTHER]["stdout"]) == (None, f"{OTHER}\n")  # it is not held up


def check_copy(ward: Ward) -> None:
    file = ward.run.room / "a-file"
    file.write_text("what is copied\n")
    done = attempt(ward, "copy", file, f"{BOTH}:/root/a-file")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "host key" in done.stdout + done.stderr
    assert not ward.cards[NODE].path("/root/a-file").exists()
    assert ward.cards[OTHER].path("/root/a-file").read_text() == "what is copied\n"


def check_ssh(ward: Ward) -> None:
    done = attempt(ward, "ssh", NODE, "--", "touch", "/root/was-here", **agent(ward))
    assert done.returncode != 0
    assert "host key" in done.stderr.lower()
    assert f"grapecli node trust {NODE}" in done.stderr
    assert not ward.cards[NODE].path("/root/was-here").exists()


def check_facts(ward: Ward) -> None:
    done = attempt(ward, "facts", "--refresh", BOTH)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "host key" in done.stdout + done.stderr


def agent(ward: Ward) -> dict[str, str]:
    """Give an agent that has the lab's key: the caller's own, not graped's."""
    socket = ward.run.room / "agent"
    if not socket.exists():
        ward.run.spawn(("ssh-agent", "-D", "-a", socket), ward.run.room / "agent.log")
        ward.until(socket.exists, 10.0, "an agent answers")
    env = {"SSH_AUTH_SOCK": str(socket)}
    add = ("ssh-add", "-q", ward.key.path)  # its socket is there a moment before it listens
    ward.until(
        lambda: subprocess.run(add, env={**os.environ, **env}, capture_output=True).returncode == 0, 10.0, "a key"
    )
    return env


def test_all_work_with_the_pinned_key(ward: Ward) -> None:
    assert ran(ward, code=0)[NODE]["stdout"] == f"{NODE}\n"
    done = attempt(ward, "ssh", NODE, "--", "hostname", **agent(ward))
    assert (done.returncode, done.stdout) == (0, f"{NODE}\n"), done.stderr
    assert attempt(ward, "ssh", NODE, "--", "exit", "7", **agent(ward)).returncode == 7


def test_a_changed_key_stops_every_command_until_it_is_accepted(
    ward: Ward, record_property: pytest.RecordProperty
) -> None:
    new_key(ward)
    checks: dict[str, Callable[[Ward], None]] = {
        "run": check_run, "copy": check_copy, "ssh": check_ssh, "facts": check_facts,
    }  # fmt: skip
    for check in checks.values():
        check(ward)
    refused = attempt(ward, "node", "trust", NODE, "--yes")  # --yes is for keys that are new, not for changed ones
    assert refused.returncode != 0
    check_run(ward)
    accept(ward)
    assert ran(ward, code=0)[NODE]["stdout"] == f"{NODE}\n"
    file = ward.run.room / "a-file"
    ward.cli("copy", file, f"{NODE}:/root/a-file", "--mode", "640")
    there = ward.cards[NODE].path("/root/a-file")
    assert (there.read_text(), there.stat().st_mode & 0o777) == ("what is copied\n", 0o640)
    assert attempt(ward, "ssh", NODE, "--", "true", **agent(ward)).returncode == 0
    assert attempt(ward, "facts", NODE).returncode == 0
    record_property("summary", f"host key: a changed one stops {', '.join(checks)}; all work once it is accepted")


def test_its_system_is_not_asked_to_stop_before_the_key_is_accepted(ward: Ward) -> None:
    ward.wait_stage("up", NODE, timeout_s=UP_S)
    card = ward.cards[NODE]
    new_key(ward)
    way = off(ward)
    assert "host key" in way, way
    assert "is down after" not in way
    assert (card.powered, card.halts) == (False, 0)  # it was cut
    ward.cli("power", "on", NODE, "--wait")
    ward.until(lambda: card.running, UP_S, "it runs")
    card.wait_booted(UP_S)
    accept(ward)
    ward.wait_stage("up", NODE, timeout_s=UP_S)
    ward.until(lambda: "soft-off" in ward.cli("power", "off", NODE, "--dry-run"), UP_S, "it can be asked")
    way = off(ward)
    assert "is down after" in way, way
    assert card.halts == 1


def off(ward: Ward) -> str:
    """Switch the node off, and tell the way of that."""
    ward.cli("power", "off", NODE, "--wait", "--yes")
    ward.wait_cut(NODE)
    job = max(ward.json("jobs", "list"), key=lambda one: int(one["id"]))
    (task,) = job["tasks"]
    return "; ".join(task["way"])
