"""``grapecli facts``, ``node identify`` and ``node log`` against the real API in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grapecli import node_log
from tests.api.conftest import Served, serving
from tests.cli.conftest import Run


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


def test_facts_are_gathered_when_asked_for_and_stand_in_a_table(served: Served, run: Run) -> None:
    before = run("facts", "worker-0-[0-1]")
    assert (before.code, before.out.count("not asked yet")) == (0, 2)
    done = run("facts", "worker-0-[0-1]", "--refresh")
    assert done.code == 0, done.err
    header, line = done.out.splitlines()[:2]
    assert header.split()[:3] == ["NODE", "MODEL", "KERNEL"]
    for text in ("worker-0-0", "Pi 4 Model B Rev 1.4", "6.6.20", "0.51", "52.6 °C", "under-voltage", "25 h 00 min"):
        assert text in line
    assert "1.0 of 4.0 GB (25%)" in line
    assert max(map(len, done.out.splitlines())) <= 170


def test_one_node_is_shown_with_all_and_what_is_missing(served: Served, run: Run) -> None:
    done = run("facts", "worker-0-0", "--refresh")
    assert done.code == 0, done.err
    assert "serial" in done.out
    assert "no serial  only root may read it" in done.out
    assert "under-voltage; since boot: under-voltage, throttled (vcgencmd)" in done.out
    assert "/  2.0 of 64.0 GB (3%)  10.77.0.1:/root" in done.out


def test_who_does_not_answer_is_told_and_the_exit_code_says_so(served: Served, run: Run) -> None:
    done = run("facts", "worker-0-[3-4]", "--refresh")
    assert done.code != 0
    assert "worker-0-4: worker-0-4: no answer in 10 s" in done.err
    assert "Pi 4" in done.out
    told = run("--json", "facts", "worker-0-[3-4]")
    assert [(one["name"], one["at"] is None) for one in told.json] == [("worker-0-3", False), ("worker-0-4", True)]


def test_facts_of_nodes_that_are_up_stand_in_status_in_the_node_and_in_metrics(served: Served, run: Run) -> None:
    assert run("facts", "worker-0-0", "--refresh").code == 0
    page = run("status").out
    (line,) = [line for line in page.splitlines() if "worker-0-0" in line]
    assert line.rstrip().endswith("53 °C  load 0.5  under-voltage")
    assert "52.6" not in page
    assert "53 °C  load 0.5  under-voltage, at " in run("node", "show", "worker-0-0").out
    assert run("--json", "node", "show", "worker-0-0").json["facts"]["load"] == 0.51
    with served.client() as client:
        text = client.get("/metrics")
    assert 'grape_node_temperature_celsius{node="worker-0-0"} 52.6' in text
    assert 'grape_node_throttled{limit="under-voltage",node="worker-0-0"} 1.0' in text


def test_identify_tells_what_blinked(served: Served, run: Run) -> None:
    done = run("node", "identify", "worker-0-0", "--seconds", "3")
    assert (done.code, done.out.strip()) == (0, "done: worker-0-0 (its LED ACT has blinked for 3 s)")
    assert run("node", "identify", "worker-0-4").code != 0
    assert run("node", "identify", "worker-0-0", "--seconds", "0").code == 2
    assert run("--json", "node", "identify", "worker-0-0").json["kind"] == "node.identify"


def test_the_last_lines_of_a_node(served: Served, run: Run) -> None:
    console = served.rack.operations.console
    assert "Nothing came from worker-0-0 yet." in run("node", "log", "worker-0-0").err
    for number in range(60):
        served.do(lambda number=number: console.say(f"line {number}"))  # type: ignore[misc]
    out = run("node", "log", "worker-0-0").out.splitlines()
    assert len(out) == 50
    assert out[-1].endswith("kernel  line 59")
    assert len(run("node", "log", "worker-0-0", "-n", "2").out.splitlines()) == 2
    assert run("node", "log", "worker-0-0", "-n", "0").out == ""
    told = run("--json", "node", "log", "worker-0-0", "-n", "1").json
    assert (told["lines"][0]["text"], told["last"]) == ("line 59", told["lines"][0]["id"])


def test_more_lines_than_one_answer_holds(served: Served, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_log, "PAGE", 10)
    console = served.rack.operations.console
    for number in range(35):
        served.do(lambda number=number: console.say(f"line {number}"))  # type: ignore[misc]
    out = run("node", "log", "worker-0-0", "-n", "25").out.splitlines()
    assert [line.split()[-1] for line in out] == [str(number) for number in range(10, 35)]


def test_following_goes_on_with_what_comes(served: Served, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    console = served.rack.operations.console
    served.do(lambda: console.say("one"))
    seen: list[str] = []

    def enough(session: object, line: dict[str, str]) -> None:
        seen.append(line["text"])
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(node_log, "_print", enough)

    def talk() -> None:
        for word in ("two", "three"):
            time.sleep(0.3)
            served.do(lambda word=word: console.say(word))  # type: ignore[misc]

    talker = threading.Thread(target=talk)
    talker.start()
    assert run("node", "log", "worker-0-0", "-f").code == 0
    talker.join(20)
    assert seen == ["one", "two", "three"]
