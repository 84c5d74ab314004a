"""Quarantine and modes in a running graped: told, shown, kept over a kill."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from tests.live.daemon import FAST, TWO_STACKS, Daemon

IN_FILES = TWO_STACKS.replace(
    '0 = { mac = "02:00:00:00:01:00"', '0 = { quarantine = "in files", mac = "02:00:00:00:01:00"'
)


def recovery(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in daemon.client().get("/v1/recovery")["nodes"]}


def told(daemon: Daemon) -> str:
    return "\n".join(one["message"] for one in daemon.client().get("/v1/events", kind="node", limit=50))


def test_quarantine_and_modes_outlive_a_kill_and_releases_reach_the_files(tmp_path: Path) -> None:
    with Daemon(tmp_path, IN_FILES + FAST) as daemon:
        assert daemon.cli("node", "quarantine", "worker-0-[1-2]", "--reason", "bad supply").returncode == 0
        assert daemon.cli("node", "recovery", "worker-0-3", "act").returncode == 0
        assert "worker-0-1 is in quarantine" in told(daemon)
        assert "worker-0-3 has recovery mode act" in told(daemon)
        daemon.stop(signal.SIGKILL)
        daemon.start()
        found = recovery(daemon)
        assert {name: one["quarantine"] for name, one in found.items() if one["quarantine"]} == {
            "worker-0-1": "bad supply", "worker-0-2": "bad supply", "worker-1-0": "in files",
        }  # fmt: skip
        assert (found["worker-0-3"]["mode"], found["worker-0-4"]["mode"]) == ("act", "advise")
        assert daemon.cli("node", "release", "worker-0-1", "worker-1-0").returncode == 0
        assert {name for name, one in recovery(daemon).items() if one["quarantine"]} == {"worker-0-2"}
        daemon.stop()
        daemon.start()
        assert {name for name, one in recovery(daemon).items() if one["quarantine"]} == {"worker-0-2"}
        assert "worker-1-0 is released from quarantine by" in told(daemon)
        assert "it was: in files" in told(daemon)
