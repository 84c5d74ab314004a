"""``grapecli recovery`` and the settings of nodes, against the real API in memory."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped.core.events import StageSeen
from graped.model import SlotId, Stage
from tests.api.conftest import Served, serving
from tests.cli.conftest import Run


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


def test_nobody_is_in_trouble(served: Served, run: Run) -> None:
    done = run("recovery")
    assert (done.code, done.out) == (0, "")
    assert "No node is in trouble." in done.err
    assert "others: advise" in done.err
    assert run("recovery", "worker-0-0").out.splitlines()[1].split()[:2] == ["worker-0-0", "advise"]


def test_quarantine_and_release(served: Served, run: Run) -> None:
    done = run("node", "quarantine", "worker-0-[0-1]", "--reason", "bad supply")
    assert (done.code, done.out) == (0, "worker-0-[0-1]: in quarantine\n")
    assert "quarantine: bad supply" in run("status").out
    assert "bad supply" in run("node", "show", "worker-0-1").out
    shown = json.loads(run("recovery", "--json").out)
    assert {one["name"] for one in shown["nodes"] if one["step"] == "quarantine"} == {"worker-0-0", "worker-0-1"}
    assert "quarantine" in run("recovery").out
    assert run("node", "release", "worker-0-[0-1]").out == "worker-0-[0-1]: released\n"
    assert run("recovery").out == ""


def test_the_mode_of_nodes(served: Served, run: Run) -> None:
    assert run("node", "recovery", "worker-0-0", "act").out == "worker-0-0: recovery act\n"
    node = json.loads(run("node", "show", "worker-0-0", "--json").out)
    assert node["recovery"]["mode"] == "act"
    assert "act: worker-0-0" in run("recovery").err
    done = run("node", "recovery", "worker-0-0", "default")
    assert done.out == "worker-0-0: recovery default, as the configuration files say\n"
    assert run("node", "recovery", "worker-0-0", "perhaps").code == 2


def test_only_nodes_that_are_configured(served: Served, run: Run) -> None:
    empty = next(one["name"] for one in json.loads(run("node", "list", "--json").out) if not one["configured"])
    for words in (("quarantine", empty), ("release", empty), ("recovery", empty, "act")):
        done = run("node", *words)
        assert done.code != 0
        assert "no device is configured" in done.err


def test_a_node_in_trouble_is_shown_with_what_would_be_done(served: Served, run: Run) -> None:
    assert run("power", "on", "worker-0-0", "--wait").code == 0
    for stage in (Stage.UP, Stage.LOST):
        seen = StageSeen(slot=SlotId(0, 0), stage=stage, evidence="SSH: timed out")
        served.do(lambda seen=seen: served.rack.engine.post(seen))
    shown = run("recovery")
    assert shown.code == 0
    assert "worker-0-0  advise  wait" in shown.out
    assert "lost: SSH: timed out" in shown.out
