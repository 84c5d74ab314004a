"""``grapecli enrol`` and the boards that wait, against the real API in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Served, serving
from tests.api.seating import STRANGER
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


def test_a_table_says_what_sits_where(run: Run) -> None:
    done = run("enrol", "@slots:0", "--yes")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].split()[:3] == ["SLOT", "VERDICT", "MAC"]
    assert "worker-0-0  kept" in done.out
    assert "empty" in done.out
    assert "nothing to be written" in done.out
    report = run("--json", "enrol", "@all", "--yes").json
    assert (len(report["slots"]), report["outcome"], report["moves"]) == (12, "done", [])


def test_running_nodes_are_named_and_asked_about(run: Run) -> None:
    assert run("power", "on", "worker-0-0", "--wait").code == 0
    refused = run("enrol", "@all")
    assert refused.code == 2
    assert "--yes" in refused.err
    no = run("enrol", "@all", stdin="n\n", tty=True)
    assert no.code == 2
    assert "worker-0-0: shut down, switched off, and on again" in no.err
    assert run("enrol", "@all", "--skip-running").code == 0


def test_boards_wait_are_approved_and_rejected(run: Run) -> None:
    assert STRANGER.mac in run("node", "pending").out
    assert run("node", "approve", STRANGER.mac, "worker-0-0").code == 6  # has one
    done = run("node", "approve", STRANGER.mac.replace(":", "-").upper(), "worker-1-5")
    assert done.code == 0, done.err
    assert done.out == f"worker-1-5: {STRANGER.mac}\n"
    assert run("node", "reject", STRANGER.mac).out == f"{STRANGER.mac}: rejected\n"
    assert "Nobody waits" in run("node", "pending").err
    assert "rejected" in run("node", "pending", "--all").out
    assert run("node", "reject", "nonsense").code == 2


def test_the_only_board_that_waits_takes_the_place_of_another(run: Run) -> None:
    done = run("node", "replace", "worker-0-0", stdin="y\n", tty=True)
    assert done.code == 0, done.err
    assert f"worker-0-0: {STRANGER.mac}, in place of" in done.out
    assert "Does it sit in worker-0-0 now?" in done.err
    given = run("--json", "node", "replace", "worker-0-0", "--mac", "dc:a6:32:00:00:01")
    assert given.json["mac"] == "dc:a6:32:00:00:01"
    run("node", "reject", STRANGER.mac)
    assert "worker-0-0" in run("node", "replace", "worker-0-0").out  # by a look at the slot
