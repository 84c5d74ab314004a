"""The bench: it runs, measures what it says, and lays out its table. Nothing here judges how fast anything is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import processes, rows
from tests.bench.load import ask_for
from tests.bench.rows import Row
from tests.bench.server import serving

ROOT = Path(__file__).parents[2]


def test_a_quick_run_prints_every_row() -> None:
    argv = (sys.executable, "-m", "tests.bench", "--quick")
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for what in (
        "full poll, 16 stacks / 96 slots",
        "GET /v1/nodes, 48 slots, 1 client",
        "GET /v1/nodes, 1,002 slots, built past the board's 96, 4 clients",
        "POST /v1/power to the byte on the wire",
        "events/s through SSE, 1 follower",
        "grapecli status, 48 slots, 1 client",
        "the same, 1 client, without what a development venv hooks into every start",
        "memory of an idle daemon, 96 slots",
        "processor of an idle daemon, 96 slots",
    ):
        assert any(line.startswith(what) for line in done.stdout.splitlines()), what
    made = [line for line in done.stdout.splitlines() if line.startswith("a root from a 4 MB image")]
    assert bool(made) is (os.geteuid() == 0)
    beside = [line for line in done.stdout.splitlines() if "pm -q" in line]
    assert beside
    installed = all(map(processes.found, processes.POWERMAN))
    assert all("not measured" in line for line in beside) is not installed


def test_clients_in_a_loop_get_whole_answers(tmp_path: Path) -> None:
    with serving(tmp_path, 2) as server:
        took = ask_for(server.socket, "/v1/nodes", 3, 0.1)
        assert len(took) >= 3
        assert all(0 < one < 10 for one in took)
        with pytest.raises(ConnectionError, match="404"):
            ask_for(server.socket, "/v1/nothing", 1, 0.1)


def test_a_ratio_says_whether_its_aim_is_met() -> None:
    assert rows.ratio_row("a poll", 0.011, "wire", 0.010, at_most=1.2).cells() == (
        "a poll", "11 ms", "wire: 10 ms", "1.10 x", "<= 1.2 x", "met"
    )  # fmt: skip
    assert rows.ratio_row("a poll", 0.013, "wire", 0.010, at_most=1.2).met is False
    assert rows.ratio_row("a poll", 0.013, "wire", 0.010).met is None


def test_durations_carry_their_unit() -> None:
    assert [rows.span(one) for one in (2.5, 0.0125, 0.000125)] == ["2.50 s", "12.5 ms", "125 us"]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(one) for one in range(1, 101)]
    assert rows.percentile(values, 99) == 100.0
    assert rows.percentile(values, 50) == 51.0
    assert rows.percentile([7.0], 99) == 7.0


def test_the_table_goes_between_the_marks_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = tmp_path / "README.md"
    monkeypatch.setattr(bench, "README", readme)
    readme.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    bench.into_readme([Row(what="a poll", figure="11 ms")])
    text = readme.read_text()
    assert text.startswith("before\n<!-- bench -->\n")
    assert text.endswith("\n<!-- /bench -->\nafter\n")
    assert "| a poll | 11 ms |" in text
    assert "old" not in text
    readme.write_text("no marks\n")
    with pytest.raises(SystemExit):
        bench.into_readme([])
