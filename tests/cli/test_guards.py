"""What guards say is seen by whoever switches power, with and without waiting."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from grapecli import progress
from grapecli.live import Live
from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


@pytest.fixture(autouse=True)
def drained(daemon: FakeDaemon, rack: Rack) -> None:
    """worker-0-[2-4] are on; the last one has tasks that have to go elsewhere first."""
    rack.turn_on("worker-0-2", "worker-0-3", "worker-0-4")
    rack.guard_says = {"worker-0-4": ["draining 4 tasks", "draining 1 task"]}


def test_waiting_shows_what_a_guard_does(run: Run) -> None:
    ran = run("power", "off", "worker-0-4", "--wait")
    assert (ran.code, ran.out) == (0, "off: worker-0-4\n")
    assert ran.err.splitlines() == [
        "worker-0-4: waits for guard grape_docker ..., power on",
        "worker-0-4: draining 4 tasks ..., power on",
        "worker-0-4: draining 1 task ..., power on",
        "worker-0-4: done, power off",
    ]


def test_a_terminal_shows_what_a_guard_does() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30, color_system=None)
    live = Live(color=False, console=screen)
    task = {"step": "guards", "result": None, "reason": "draining 4 tasks", "observed": "on", "stage": "up"}
    live.show({"worker-0-4": progress.of_task(task)})
    live.close()
    assert isinstance(screen.file, io.StringIO)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
    assert "draining 4 tasks ..., power on, up" in shown


def test_without_waiting_its_first_words_are_shown(run: Run) -> None:
    ran = run("power", "cycle", "worker-0-4")
    assert (ran.code, ran.out) == (0, "job 1 accepted: cycle worker-0-4\n")
    assert ran.err.splitlines() == [
        "worker-0-4: draining 4 tasks ...",
        "The job goes on; grapecli jobs show 1 shows it, grapecli jobs cancel 1 cancels it.",
    ]


def test_a_guard_that_says_nothing_is_not_waited_for(run: Run, rack: Rack) -> None:
    rack.guard_s = 3.0
    ran = run("power", "off", "worker-0-4")
    assert "worker-0-4: waits for guard grape_docker ...\n" in ran.err


@pytest.mark.parametrize("how", [("worker-0-4", "--force"), ("worker-0-3",)])
def test_what_no_guard_holds_is_not_spoken_of(run: Run, how: tuple[str, ...]) -> None:
    ran = run("power", "off", *how)
    assert (ran.code, ran.err) == (0, "")


def test_with_json_the_job_is_printed_at_once(run: Run) -> None:
    ran = run("power", "off", "worker-0-4", "--json")
    assert (ran.json["tasks"][0]["reason"], ran.err) == ("waits for guard grape_docker", "")


def test_a_guard_that_holds_nothing_is_listed(run: Run) -> None:
    _, line = run("guards").out.splitlines()
    assert re.split("  +", line)[:2] == ["grape_docker", "worker-0-4"]


def test_guards_are_listed_with_what_they_hold(run: Run, rack: Rack) -> None:
    rack.guard_s = 0.4
    run("power", "off", "worker-0-4")
    header, line = run("guards").out.splitlines()
    assert re.split("  +", header) == ["GUARD", "NODES", "LEASE ENDS IN", "HOLDS", "JOB", "FOR", "AT MOST", "IT SAYS"]
    words = re.split("  +", line)
    assert (words[:2], words[3:5], words[7]) == (
        ["grape_docker", "worker-0-4"],
        ["worker-0-4", "1"],
        "draining 4 tasks",
    )
    assert run("guards", "--json").json[0]["holding"][0]["note"] == "draining 4 tasks"
    rack.guard_says = {}
    assert run("guards").err == "There is no guard: power goes at once.\n"
