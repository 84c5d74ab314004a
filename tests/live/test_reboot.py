"""``reboot`` on a simulated rack: waves, a node that hangs, graped killed in the middle, and going on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.daemon import FAST, TWO_STACKS, Daemon

# What a node shows before graped has read its slot to be on is not taken: none is there at once.
BOOTS = 'kind = "simulated", boot_s = 1.5'
BOOTS_LATE = 'kind = "simulated", boot_s = 4'
NODES = "".join(f"{slot} = {{ {BOOTS} }}\n" for slot in range(6))
SLOW = "".join(f"{slot} = {{ {BOOTS if slot < 2 else BOOTS_LATE} }}\n" for slot in range(6))
HANGS = NODES.replace(f"1 = {{ {BOOTS}", f'1 = {{ hang_at = "tftp", {BOOTS_LATE}')
DEADLINES = "[netboot.deadlines]\npowered_s = 8\ndhcp_s = 8\ntftp_s = 4\nkernel_s = 8\nroot_s = 8\n"


@pytest.fixture
def nodes() -> str:
    return NODES


@pytest.fixture
def rack(tmp_path: Path, nodes: str) -> Iterator[Daemon]:
    file = tmp_path / "nodes.toml"
    file.write_text(f"[stacks.0.slots]\n{nodes}[stacks.1.slots]\n{HANGS}")
    with Daemon(tmp_path, TWO_STACKS + FAST + DEADLINES, "--sim-nodes", str(file)) as daemon:
        yield daemon


def on(daemon: Daemon, nodes: str) -> None:
    done = daemon.cli("power", "on", nodes, "--wait")
    assert done.returncode == 0, done.stderr


def steps(daemon: Daemon, number: int) -> dict[str, str]:
    found: dict[str, Any] = daemon.client().get(f"/v1/rollouts/{number}")
    return {node["name"]: node["step"] for node in found["nodes"]}


def downs(daemon: Daemon) -> list[set[str]]:
    """Tell by the event log who was down together: from where a node's power goes until it is up again."""
    down: set[str] = set()
    groups: list[set[str]] = []
    for event in daemon.client().get("/v1/events", limit=1000):
        if event["kind"] == "power.off":
            groups = groups if down else [*groups, set()]
            down.add(event["node"])
            groups[-1].add(event["node"])
        elif event["kind"] == "stage.up":
            down.discard(event["node"])
    return groups


@pytest.mark.parametrize("nodes", [SLOW])  # so that it goes on while commands are given
def test_a_node_is_in_one_reboot_at_a_time_and_a_cancel_lets_the_wave_end(rack: Daemon) -> None:
    on(rack, "worker-0-[0-5]")
    job = json.loads(rack.cli("--json", "reboot", "@stack:0", "--rolling", "2", "--yes", "--no-wait").stdout)
    refused = rack.cli("reboot", "worker-0-5", "--yes")
    assert refused.returncode == 6
    assert f"worker-0-5 is in reboot {job['id']} already" in refused.stderr
    assert rack.cli("jobs", "cancel", str(job["id"])).returncode == 0
    deadline = time.monotonic() + 40
    while (found := rack.client().get(f"/v1/rollouts/{job['id']}"))["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["status"] == "cancelled"
    told = list(steps(rack, job["id"]).values())
    assert set(told) == {"passed", "waiting"}
    assert told.count("passed") in (2, 4)


def test_nodes_go_two_at_a_time_and_those_that_are_off_are_left_alone(rack: Daemon) -> None:
    on(rack, "worker-0-[0-4]")
    shown = rack.cli("reboot", "@stack:0", "--rolling", "2", "--dry-run")
    assert "wave 3: worker-0-4" in shown.stdout
    assert "left out: worker-0-5 (it is off)" in shown.stdout
    refused = rack.cli("reboot", "@stack:0", "--rolling", "2")
    assert refused.returncode == 2  # nobody can be asked
    done = rack.cli("reboot", "@stack:0", "--rolling", "2", "--yes")
    assert done.returncode == 0, done.stderr
    assert "passed: worker-0-[0-4]" in done.stdout
    assert "skipped: worker-0-5 (it is off)" in done.stdout
    assert downs(rack) == [{"worker-0-0", "worker-0-1"}, {"worker-0-2", "worker-0-3"}, {"worker-0-4"}]
    assert rack.observed()["worker-0-5"] == "off"
    told = rack.cli("image", "rollouts").stdout
    assert "reboot" in told
    assert "3 of 3" in told


def test_it_stops_at_the_first_wave_with_a_failure(rack: Daemon) -> None:
    on(rack, "worker-1-[0-3]")
    done = rack.cli("reboot", "worker-1-[0-3]", "--rolling", "2", "--yes")
    assert done.returncode == 1
    assert "worker-1-1: late in tftp" in done.stderr
    assert "not begun: worker-1-[2-3]" in done.stdout
    assert downs(rack)[-1] == {"worker-1-0", "worker-1-1"}
    again = json.loads(rack.cli("--json", "reboot", "worker-1-[0-3]", "--failures", "2", "--yes").stdout)
    assert again["outcome"] == "completed_with_errors"
    assert again["rollout"]["status"] == "done"
    assert {node["name"]: node["step"] for node in again["rollout"]["nodes"]}["worker-1-1"] == "failed"


@pytest.mark.parametrize("nodes", [SLOW])
def test_killed_in_the_middle_it_is_interrupted_and_goes_on_when_told(rack: Daemon) -> None:
    on(rack, "worker-0-[0-5]")
    job = json.loads(rack.cli("--json", "reboot", "@stack:0", "--rolling", "2", "--yes", "--no-wait").stdout)
    deadline = time.monotonic() + 40
    while "passed" not in steps(rack, job["id"]).values() and time.monotonic() < deadline:
        time.sleep(0.05)
    rack.stop(signal.SIGKILL)
    rack.start()
    (found,) = rack.client().get("/v1/rollouts")
    assert found["status"] == "interrupted"
    passed = [node["name"] for node in found["nodes"] if node["step"] == "passed"]
    cycles = len(downs(rack))
    done = rack.cli("image", "rollout", "--resume", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(steps(rack, job["id"]).values()) == {"passed"}
    assert not set(passed) & set().union(*downs(rack)[cycles:]), "cycled twice"
    kinds = [event["kind"] for event in rack.client().get("/v1/events", limit=1000, kind="reboot")]
    assert kinds.index("reboot.interrupted") < kinds.index("reboot.resumed") < kinds.index("reboot.done")
    assert rack.cli("image", "rollout", "--resume", str(job["id"]), "--yes").returncode == 6  # nothing is left
