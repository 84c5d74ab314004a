"""grapecli against the real daemon on a simulated rack, as processes: what a user has."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
[power]
stagger_s = 0.05
inrush_s = 0.2
cycle_off_s = 0.2
boot_gate_s = 2.0

[poll]
power_s = 0.3

[cluster.stacks.0.devices.0]
mac = "b8:27:eb:00:00:00"
[cluster.stacks.0.devices.1]
mac = "b8:27:eb:00:00:01"
[cluster.stacks.1.devices.0]
mac = "b8:27:eb:00:01:00"
"""
# What a node shows before graped has read its slot to be on is not taken: it boots in seconds, not in tenths of one.
NODES = """
scale = 0.5
[stacks.1.slots]
0 = { kind = "simulated", hang_at = "tftp" }
"""

pytestmark = pytest.mark.xdist_group("grapecli_end_to_end")  # one daemon for all of them


class User:
    """Types grapecli commands."""

    def __init__(self, room: Path) -> None:
        self.room = room

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "grapecli", "--socket", str(self.room / "s"), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)


def wait_until(reached: Any, timeout_s: float = 40.0) -> None:
    ends = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.1)


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    with tempfile.TemporaryDirectory(prefix="grape") as folder:
        room = Path(folder)
        (room / "config.toml").write_text(CONFIG)
        (room / "nodes.toml").write_text(NODES)
        files = ["--config", str(room / "config.toml"), "--sim-nodes", str(room / "nodes.toml")]
        argv = [sys.executable, "-m", "graped", "--state-dir", folder]
        with (room / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [*argv, *files, "--simulate", "--socket", str(room / "s")], stdout=log, stderr=log
            )
        one = User(room)
        try:
            wait_until(lambda: daemon.poll() is not None or one.run("version").returncode == 0)
            assert daemon.poll() is None, (room / "log").read_text()
            wait_until(lambda: all(stack["state"] == "ok" for stack in one.json("status")["stacks"]))
            yield one
        finally:
            daemon.terminate()
            daemon.wait(20)
            subprocess.run([*argv, "--sim-stop"], check=False, capture_output=True, timeout=20)


def test_status_has_the_words_that_other_programs_rely_on(user: User) -> None:
    status = user.json("status")
    assert status["simulated"] is True
    assert {"id", "bus", "address", "state", "meters"} <= set(status["stacks"][0])
    node = next(node for node in status["nodes"] if node["name"] == "worker-0-1")
    assert {"name", "stack", "slot", "mac", "power", "stage"} <= set(node)
    assert {"desired", "observed", "fault", "since"} <= set(node["power"])
    assert "Stack 1" in user.run("status").stdout


def test_nodes_come_up_and_go_off(user: User) -> None:
    done = user.run("power", "on", "worker-0-[0-1]", "--wait=up", "--timeout", "30")
    assert (done.returncode, done.stdout) == (0, "up: worker-0-[0-1]\n")
    assert "worker-0-[0-1]" in user.run("power", "status", "@on").stdout
    refused = user.run("power", "off", "@stack:0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert [one["state"] for one in user.json("power", "status", "worker-0-[0-1]")] == ["on"]
    assert user.json("power", "off", "@stack:0", "--yes", "--wait")["outcome"] == "done"
    assert [one["state"] for one in user.json("power", "status", "@stack:0")] == ["off"]


def test_a_node_that_hangs_ends_the_wait_with_its_stage(user: User) -> None:
    done = user.run("power", "on", "worker-1-0", "--wait=up", "--timeout", "30")
    assert done.returncode == 1
    assert done.stdout.startswith("on: worker-1-0 (tftp: began to fetch boot files, got none whole")


def test_a_missing_stack_is_told_with_its_reason(user: User) -> None:
    user.json("sim", "fault", "add", "missing", "--stack", "1")
    wait_until(lambda: "unknown: worker-1-[0-5] (" in user.run("power", "status", "@slots:1").stdout)
    late = user.run("power", "off", "worker-1-0", "--wait", "--timeout", "0.5")
    assert late.returncode == 5
    assert "unknown: worker-1-0" in late.stdout
    job = user.json("jobs", "list")[-1]["id"]
    assert user.run("jobs", "cancel", str(job)).returncode == 0
    assert user.json("sim", "fault", "clear") == []


def test_the_plan_tells_order_times_and_watts(user: User) -> None:
    user.json("power", "off", "worker-0-[0-1]", "--yes", "--wait")
    plan = user.json("power", "on", "worker-0-[0-1]", "--dry-run")
    assert [(step["name"], step["action"], step["watts"]) for step in plan["steps"]] == [
        ("worker-0-0", "on", 7.0),
        ("worker-0-1", "on", 7.0),
    ]
    assert plan["steps"][0]["at_s"] < plan["steps"][1]["at_s"]


def test_every_other_command_answers(user: User) -> None:
    for words in (
        ("meters",),
        ("meters", "--since", "1h"),
        ("events",),
        ("jobs",),
        ("stack", "list"),
        ("stack", "show", "0"),
        ("node", "list"),
        ("node", "show", "worker-0-0"),
        ("config", "show"),
        ("config", "show", "--sources"),
        ("config", "check"),
        ("config", "reload"),
        ("config", "check", str(user.room / "config.toml")),
        ("sim", "display"),
        ("sim", "knob", "right"),
        ("sim", "fault", "list"),
    ):
        done = user.run(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert user.json("config", "check")["ok"] is True
    assert len(user.json("sim", "display")["lines"]) == 2


def test_mistakes_have_their_codes(user: User) -> None:
    bad = user.room / "bad.toml"
    bad.write_text("[power]\nstager_s = 1\n")
    assert user.run("config", "check", str(bad)).returncode == 2
    assert user.run("power", "on", "worker-0-9").returncode == 2
    assert user.run("power", "on", "worker-0-[0").returncode == 2
    assert user.run("jobs", "show", "9999").returncode == 2
    assert user.run("stack", "show", "9").returncode == 2
