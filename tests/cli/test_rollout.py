"""``image rollout``, ``image rollouts`` and ``reboot`` against the real API in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from grapecli import waves
from grapecli.live import Live
from graped.core.rollout_types import Orders, Status, Step
from tests.api.conftest import Served, serving
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def served(socket_path: Path, run: Run) -> Iterator[Served]:
    with serving(socket_path) as one:
        assert run("power", "on", "worker-0-[0-4],worker-1-0", "--wait").code == 0
        yield one


def test_a_dry_run_shows_the_waves_and_who_is_left_out(run: Run) -> None:
    ran = run("image", "rollout", "lite", "@all", "--canary", "1", "--wave", "3", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1:] == [
        "wave 1: worker-0-0",
        "wave 2: worker-0-[1-3]",
        "wave 3: worker-0-4,worker-1-0",
        "left out: worker-1-[1-4] (it is off)",
        "Nothing was done.",
    ]
    plan = run("--json", "reboot", "worker-0-[0-4]", "--rolling", "2", "-n").json
    assert [wave["folded"] for wave in plan["waves"]] == ["worker-0-[0-1]", "worker-0-[2-3]", "worker-0-4"]
    assert plan["image"] is None


def test_it_asks_before_anybody_loses_power(run: Run, served: Served) -> None:
    for words in (("image", "rollout", "lite", "worker-0-0"), ("reboot", "worker-0-[0-1]")):
        ran = run(*words)
        assert ran.code == 2
        assert "there is no terminal to ask at" in ran.err
        ran = run(*words, stdin="no\n", tty=True)
        assert ran.code == 2
        assert "will lose power" in ran.err
    assert not served.rack.operations.rollouts.known
    assert run("reboot", "worker-0-[0-1]", stdin="y\n", tty=True).code == 0
    assert run("reboot", "worker-0-0").code == 0  # one node, as power cycle


def test_what_became_of_each_node_is_folded(run: Run) -> None:
    ran = run("image", "rollout", "lite", "worker-0-[0-4]", "--yes", "--health", "true", "--health-timeout", "1m30s")
    assert ran.code == 0, ran.err
    assert ran.out == "passed: worker-0-[0-4]\n"
    found = run("--json", "image", "rollouts").json[0]
    assert (found["health"], found["health_s"], found["canary"], found["size"]) == ("true", 90.0, 1, 4)
    shown = run("image", "rollouts")
    assert "2 of 2" in shown.out
    assert "lite@" in shown.out
    assert run("image", "rollouts", str(found["id"])).out == ran.out
    whole = run("--json", "reboot", "worker-0-0", "--yes").json
    assert (whole["kind"], whole["outcome"], whole["rollout"]["status"]) == ("node.reboot", "done", "done")
    assert run("--json", "reboot", "worker-0-0", "--yes", "--no-wait").json["kind"] == "node.reboot"


@pytest.mark.parametrize(
    "words",
    [
        ("image", "rollout", "lite"),
        ("image", "rollout"),
        ("image", "rollout", "none", "worker-0-0", "--yes"),
        ("image", "rollout", "lite", "worker-0-0", "--wave", "0"),
        ("image", "rollout", "lite", "worker-9-0", "--yes"),
        ("image", "rollout", "--resume", "--yes"),
        ("image", "rollout", "--resume", "x", "--yes"),
        ("image", "rollout", "--resume", "4711", "--yes"),
        ("image", "rollouts", "4711"),
        ("reboot", "--rolling", "2"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).code == 2


def test_nothing_to_do_is_a_conflict(run: Run) -> None:
    ran = run("reboot", "worker-1-1", "--yes")
    assert ran.code == 6
    assert "it is off" in ran.err


def interrupted(served: Served, run: Run) -> int:
    """A rollout whose second node graped had in hand when it ended."""
    number: int = run("--json", "image", "rollout", "lite", "worker-0-[0-2]", "--yes").json["id"]
    known = served.rack.operations.rollouts.known
    nodes = tuple(
        replace(node, step=step)
        for node, step in zip(known[number].nodes, (Step.PASSED, Step.PREPARING, Step.PREPARING), strict=True)
    )
    known[number] = replace(known[number], status=Status.INTERRUPTED, nodes=nodes, reason="graped ended in the middle")
    return number


@pytest.mark.parametrize("how", [(), ("lite", "worker-0-[0-2]")])
def test_an_interrupted_one_goes_on(served: Served, run: Run, how: tuple[str, ...]) -> None:
    number = interrupted(served, run)
    assert "interrupted" in run("image", "rollouts").out
    assert run("image", "rollout", "--resume").code == 2  # nobody to ask
    assert run("image", "rollout", "--resume", "-n").out.splitlines() == [
        "passed: worker-0-0", "preparing: worker-0-[1-2]",
    ]  # fmt: skip
    ran = run("image", "rollout", *how, "--yes", "--resume")
    assert ran.code == 0, ran.err
    assert ran.out == "passed: worker-0-[0-2]\n"
    assert run("image", "rollout", "--resume", str(number), "--yes").code == 6  # it has ended


@pytest.mark.parametrize("how", [("bookworm", "worker-0-[0-2]"), ("lite", "worker-0-[0-1]")])
def test_what_is_named_besides_a_resume_has_to_be_what_was_asked_for(
    served: Served, run: Run, how: tuple[str, ...]
) -> None:
    interrupted(served, run)
    ran = run("image", "rollout", *how, "--yes", "--resume")
    assert ran.code == 2
    assert "No rollout of this image and these nodes" in ran.err


def test_a_terminal_shows_a_line_a_node() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30, color_system=None)
    live = Live(color=False, console=screen)
    nodes = [
        {"name": "worker-0-0", "wave": 1, "step": "passed", "reason": "", "stage": "up"},
        {"name": "worker-0-1", "wave": 2, "step": "booting", "reason": "", "stage": "tftp"},
        {"name": "worker-0-2", "wave": 2, "step": "cycling", "reason": "draining 4 tasks", "stage": "up"},
        {"name": "worker-0-3", "wave": 3, "step": "waiting", "reason": "", "stage": "up"},
        {"name": "worker-0-4", "wave": 1, "step": "stuck", "reason": "not back", "stage": "up"},
    ]
    live.show(waves.places({"nodes": nodes}))
    live.close()
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    for words in ("tftp", "power cycle (draining 4 tasks)", "queued (wave 3)", "stuck (not back)", "2 of 5"):
        assert words in shown


def test_orders_go_through_the_api_as_they_are(run: Run, served: Served) -> None:
    assert run("reboot", "worker-0-[0-4]", "--failures", "3", "--health", "true", "--yes").code == 0
    (one,) = served.rack.operations.rollouts.known.values()
    assert one.orders == Orders(wave=1_000_000, failures=3, health="true", health_s=30.0)
