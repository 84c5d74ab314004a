"""What becomes of a system that is asked to stop is seen by whoever switches power."""

from __future__ import annotations

from typing import Any

import pytest

from grapecli import result
from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack

GENTLE = ["the system is stopping, asked over SSH", "is down after 0.4 s, and settles for 2 s", "soft-off: is down"]
STUBBORN = ["the system is stopping, asked over SSH", "soft-off: not down after 60 s"]


@pytest.fixture(autouse=True)
def stopping(daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-2", "worker-0-3", "worker-0-4")
    rack.stop_says = {"worker-0-3": GENTLE, "worker-0-4": STUBBORN}


def test_waiting_shows_how_a_system_goes_down(run: Run) -> None:
    ran = run("power", "off", "worker-0-3", "--wait")
    assert (ran.code, ran.out) == (0, "off: worker-0-3\n")
    assert ran.err.splitlines() == [
        "worker-0-3: the system is stopping ..., power on",
        "worker-0-3: the system is stopping, asked over SSH ..., power on",
        "worker-0-3: is down after 0.4 s, and settles for 2 s ..., power on",
        "worker-0-3: done, power off",
    ]


def test_a_system_that_was_cut_while_it_ran_is_told_at_the_end(run: Run) -> None:
    ran = run("power", "off", "worker-0-[2-4]", "--wait", "--yes")
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == "worker-0-4: cut while the system ran: not down after 60 s"


def test_without_waiting_it_says_that_the_system_stops(run: Run) -> None:
    ran = run("power", "cycle", "worker-0-3")
    assert (ran.code, ran.out) == (0, "job 1 accepted: cycle worker-0-3\n")
    assert ran.err.splitlines() == [
        "worker-0-3: the system is stopping, asked over SSH ...",
        "The job goes on; grapecli jobs show 1 shows it, grapecli jobs cancel 1 cancels it.",
    ]


def test_force_asks_nobody(run: Run) -> None:
    assert "stopping" not in run("power", "off", "worker-0-3", "--force", "--wait").err


def test_who_was_cut_is_folded_by_the_reason() -> None:
    def task(name: str, *way: str) -> dict[str, Any]:
        return {"name": name, "way": ["guards: none registered", *way, "cut"]}

    job = {"tasks": [
        task("worker-0-0", "soft-off: not down after 60 s"), task("worker-0-1", "soft-off: not down after 60 s"),
        task("worker-0-2", "soft-off: could not be asked: its SSH port is closed"),
        task("worker-0-3", "soft-off: is down after 4.1 s: no ping"), task("worker-0-4", "soft-off: nobody to ask"),
    ]}  # fmt: skip
    assert result.hard(job) == [
        "worker-0-[0-1]: cut while the system ran: not down after 60 s",
        "worker-0-2: cut while the system ran: could not be asked: its SSH port is closed",
    ]
