from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_json_status_is_exactly_the_status_of_the_api(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-1")
    for args in (("--json", "status"), ("status", "--json"), ("--socket", str(daemon.path), "--json", "status")):
        ran = run(*args)
        assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 1)
        assert set(ran.json) == set(rack.status())
        assert ran.json["nodes"] == list(rack.nodes.values())


def test_the_page_tells_on_off_empty_and_unknown_with_its_reason_and_since(
    run: Run, daemon: FakeDaemon, rack: Rack
) -> None:
    rack.turn_on("worker-0-1", stage="kernel")
    rack.kill_stack(1, "stack 1: no answer")
    page = run("status").out
    assert "2 stacks, 10 nodes: 1 on, 4 off, 5 unknown" in page
    assert line_of(page, "worker-0-1").split() == ["1", "●", "worker-0-1", "on", "kernel"]
    assert line_of(page, "worker-0-0").split() == ["0", "○", "worker-0-0", "off"]
    assert "empty" in line_of(page, "worker-0-5")
    assert "? worker-1-2  unknown (stack 1: no answer, since " in page
    assert "hint: Look at its cable." in page


def test_meters_and_their_freshness_are_on_the_line_of_the_stack(run: Run, daemon: FakeDaemon) -> None:
    line = line_of(run("status").out, "Stack 0")
    for text in ("ok", "12.04 V", "41.5 °C (stale)", "read 0.4 s ago", "expects 14 of 40 W"):
        assert text in line
    assert "\n  no current: no answer\n" in run("status").out


def test_a_fault_of_a_slot_and_a_late_boot_are_told(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0", "worker-0-1")
    rack.nodes["worker-0-0"].update(stage="tftp", late="took start4.elf, then nothing", job=7)
    fault = {"code": "mismatch", "message": "wanted on, but is off", "since": rack.status()["time"], "hint": ""}
    rack.nodes["worker-0-1"]["power"].update(observed="off", fault=fault)
    page = run("status").out
    assert "on tftp (late: took start4.elf, then nothing) [job 7]" in page
    assert "● worker-0-1  off (wanted: on) - wanted on, but is off, since" in page


def test_colour_is_for_terminals_and_obeys_no_color_and_the_option(
    run: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[" not in run("status").out
    assert "\x1b[" in run("status", out_tty=True).out
    assert "\x1b[" not in run("status", "--color=never", out_tty=True).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("status", out_tty=True).out
    assert "\x1b[" in run("status", "--color", "always").out


def test_meters_now_and_over_time(run: Run, daemon: FakeDaemon) -> None:
    now = run("meters").out
    assert "12.04 V" in now
    assert "(stale)" in now
    assert "no answer" in line_of(now, "current")
    history = run("meters", "--since", "1h", "--stack", "0").out
    assert history.count("\n") == 1
    assert "█" in history
    assert "11.90 V to 12.50 V" in history
    table = run("meters", "--since", "1h", "--table").out
    assert table.count("12.50 V") == 10
    assert run("meters", "--table").code == 2
    assert run("meters", "--since", "soon").code == 2
    assert run("meters", "--stack", "7").code == 2
    assert [one["stack"] for one in run("meters", "--json").json] == [0, 1]


def test_stacks_and_nodes_are_listed_and_shown(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-1")
    assert "1 of 6" in run("stack", "list").out
    assert "worker-1-0" in run("stack", "show", "1").out
    assert run("stack", "show", "1", "--json").json["id"] == 1
    assert run("node", "list", "worker-0-[0-1]", "--json").json == [rack.nodes["worker-0-0"], rack.nodes["worker-0-1"]]
    assert "b8:27:eb:00:00:01" in run("node", "show", "worker-0-1").out
    assert run("node", "show", "worker-9-1").code == 2


def test_events_by_number_by_age_and_by_kind(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    for at in range(40):
        rack.log("power.on" if at % 2 else "stack.missing", f"line {at}", job=at)
    rack.events[0]["time"] = "2020-01-01T00:00:00.000Z"
    assert run("events").out.count("\n") == 30
    assert [one["message"] for one in run("events", "--limit", "2", "--json").json] == ["line 38", "line 39"]
    assert run("events", "--since", "1h", "--json").json[0]["message"] == "line 1"
    assert {one["kind"] for one in run("events", "--kind", "power", "--json").json} == {"power.on"}


def test_the_simulator_is_played_with(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    assert "41.5 C" in run("sim", "display").out
    run("sim", "fault", "add", "flip", "--stack", "1", "--address", "0x39", "--for", "2m", "--count", "3")
    assert rack.faults == [
        {"id": 1, "kind": "flip", "stack": 1, "address": 0x39, "for_s": 120.0, "count": 3, "probability": 1.0}
    ]
    assert "flip, stack 1, address 0x39, count 3, for 2 min 00 s" in run("sim", "fault", "list").out
    assert run("sim", "fault", "clear").code == 0
    assert rack.faults == []
    assert run("sim", "fault", "add", "nonsense").code == 2
    assert run("sim", "knob", "left", "2").code == 0
    assert run("sim", "knob", "press").code == 0
    assert rack.knob == [{"turn": -2, "press": False}, {"turn": 0, "press": True}]


def test_the_configuration_is_shown_checked_and_reloaded(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    assert 'name = "grape"' in run("config", "show").out
    assert run("config", "show", "--sources").out == 'cluster.name = "grape"  # config.toml\n'
    for word in ("check", "reload"):
        ran = run("config", word)
        assert ran.out == "changed: power.stagger_s\nneeds a restart of graped: api.socket\n"
        assert ran.code == 0


def test_versions(run: Run, daemon: FakeDaemon) -> None:
    assert run("version").out.splitlines()[1] == "graped   0.1.0 (API v1, simulated)"
    assert run("--version").out.startswith("grapecli ")
