from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


def asked(daemon: FakeDaemon) -> list[dict[str, object]]:
    """The bodies of the power commands that were sent."""
    return [body for method, path, body in daemon.seen if (method, path) == ("POST", "/v1/power")]


def test_without_wait_a_command_returns_with_the_id_of_its_job(run: Run, daemon: FakeDaemon) -> None:
    ran = run("power", "on", "worker-0-[0-2]")
    assert (ran.code, ran.out, ran.err) == (0, "job 1 accepted: on worker-0-[0-2]\n", "")


def test_the_command_carries_the_names_that_the_plan_expanded(run: Run, daemon: FakeDaemon) -> None:
    run("power", "cycle", "@stack:1", "!", "worker-1-[1-5]", "--force", "--off-time", "3s")
    assert asked(daemon) == [{"nodes": ["worker-1-0"], "verb": "cycle", "force": True, "off_s": 3.0}]


def test_nodes_that_are_on_already_are_told(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0", "worker-0-1")
    ran = run("power", "on", "worker-0-[0-3]")
    assert ran.err == "already on: worker-0-[0-1]\n"


def test_waiting_prints_a_line_a_change_and_the_folded_result(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.kill_stack(1, "stack 1: no answer since 12:03")
    ran = run("power", "on", "worker-0-[0-3]", "worker-1-2", "--wait")
    assert ran.out == "on: worker-0-[0-3]  unknown: worker-1-2 (stack 1: no answer since 12:03)\n"
    assert ran.code == 1
    assert "worker-1-2: failed, power unknown (stack 1: no answer since 12:03)" in ran.err


def test_the_word_after_wait_is_a_node_and_never_its_value(run: Run, daemon: FakeDaemon) -> None:
    ran = run("power", "on", "--wait", "worker-0-0")
    assert (ran.code, ran.out) == (0, "on: worker-0-0\n")
    assert run("power", "on", "--wait=soon", "worker-0-0").code == 2


def test_waiting_for_up_follows_the_boot(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.stage_s = 0.02
    ran = run("power", "on", "worker-0-[0-1]", "--wait=up")
    assert (ran.code, ran.out) == (0, "up: worker-0-[0-1]\n")


def test_a_passed_stage_deadline_an_empty_slot_and_a_lost_stack_end_the_wait(
    run: Run, daemon: FakeDaemon, rack: Rack
) -> None:
    rack.stuck_at["worker-0-1"] = ("tftp", "took start4.elf, then nothing")
    ran = run("power", "on", "worker-0-[0-1],worker-0-5", "--wait=up", "--timeout", "20")
    assert ran.code == 1
    assert "up: worker-0-0" in ran.out
    assert "on: worker-0-1 (tftp: took start4.elf, then nothing)" in ran.out
    assert "on: worker-0-5 (no node is configured in this slot)" in ran.out


def test_waiting_for_up_makes_no_sense_with_off(run: Run, daemon: FakeDaemon) -> None:
    assert run("power", "off", "worker-0-0", "--wait=up").code == 2
    assert asked(daemon) == []


def test_a_timeout_has_its_own_code_and_says_that_the_job_goes_on(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.switch_s = 0.5
    ran = run("power", "on", "worker-0-[0-3]", "--wait", "--timeout", "0.3")
    assert ran.code == 5
    assert "grapecli jobs cancel 1" in ran.err
    rack.switch_s = 0.0
    rack.stuck_at["worker-1-0"] = ("dhcp", "")
    ran = run("power", "on", "worker-1-0", "--wait=up", "--timeout", "2")
    assert ran.code == 5
    assert ran.out == "on: worker-1-0 (still dhcp)\n"


def test_dry_run_shows_order_times_and_watts_and_sends_nothing(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0")
    ran = run("power", "on", "worker-0-[0-2]", "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == ["-", "none", "worker-0-0", "on", "-", "-", "is", "on", "already"]
    assert ran.out.splitlines()[2].split() == ["0.5", "s", "on", "worker-0-1", "off", "7", "W", "14", "W"]
    assert "2 switching actions, the last one 1.0 s from now" in ran.out
    assert run("power", "on", "worker-0-1", "-n", "--json").json["names"] == ["worker-0-1"]
    assert asked(daemon) == []


@pytest.mark.parametrize("verb", ["off", "cycle"])
def test_without_a_terminal_more_than_one_running_node_needs_yes(
    run: Run, daemon: FakeDaemon, rack: Rack, verb: str
) -> None:
    rack.turn_on("worker-0-0", "worker-0-1")
    ran = run("power", verb, "@on")
    assert (ran.code, ran.out, asked(daemon)) == (2, "", [])
    assert "worker-0-[0-1]" in ran.err
    assert "--yes" in ran.err
    assert run("power", verb, "@on", "--yes").code == 0
    assert len(asked(daemon)) == 1


def test_at_a_terminal_it_lists_what_is_lost_and_asks(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0", "worker-0-1")
    refused = run("power", "off", "@on", stdin="n\n", tty=True)
    assert (refused.code, asked(daemon)) == (2, [])
    assert "2 running nodes lose power: worker-0-[0-1]" in refused.err
    assert "  worker-0-1  (up)" in refused.err
    assert run("power", "off", "@on", stdin="", tty=True).code == 2
    assert run("power", "off", "@on", stdin="y\n", tty=True).code == 0
    assert len(asked(daemon)) == 1


def test_one_running_node_and_switching_on_are_not_asked_about(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0")
    assert run("power", "off", "worker-0-[0-3]", "--wait").code == 0
    rack.turn_on("worker-0-0", "worker-0-1")
    assert run("power", "on", "@on").code == 0


def test_no_target_is_a_usage_error_and_a_bad_name_too(run: Run, daemon: FakeDaemon) -> None:
    assert run("power", "on").code == 2
    assert run("power", "on", ",").code == 2
    assert run("power", "on", "worker-0-[0").code == 2
    ran = run("power", "on", "worker-0-9")
    assert ran.code == 2
    assert "The nearest is worker-0-0." in ran.err
    assert asked(daemon) == []


def test_json_gives_the_job_on_stdout_and_nothing_on_stderr(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0")
    ran = run("power", "on", "worker-0-[0-1]", "--wait", "--json")
    assert (ran.code, ran.err, ran.json["outcome"]) == (0, "", "done")
    ran = run("power", "on", "worker-0-1", "--wait=up", "--json")
    assert [node["stage"] for node in ran.json["nodes"]] == ["up"]


def test_errors_are_one_json_object_with_json(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.never.add("worker-0-3")
    for args, code, word in (
        (("power", "on", "worker-0-9"), 2, "unknown_node"),
        (("power", "on", "worker-0-3"), 6, "over_budget"),
        (("power", "on"), 2, "usage"),
        (("pwr", "on"), 2, "usage"),
        (("power",), 2, "usage"),
        (("jobs", "show", "99"), 2, "not_found"),
    ):
        ran = run(*args, "--json")
        error = json.loads(ran.err)
        assert (ran.code, error["code"], ran.out) == (code, word, "")
        assert {"code", "title", "detail", "hint"} <= set(error)
    assert run("power", "on", "worker-0-3", "--dry-run").code == 6


def test_power_status_is_folded(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.turn_on("worker-0-0", "worker-0-1")
    rack.kill_stack(1, "stack 1: no answer since 12:03:10")
    ran = run("power", "status", "worker-0-[0-2]", "worker-1-2")
    assert ran.out == "on: worker-0-[0-1]\noff: worker-0-2\nunknown: worker-1-2 (stack 1: no answer since 12:03:10)\n"
    assert run("power", "status", "worker-0-0", "--json").json[0]["names"] == ["worker-0-0"]


def test_jobs_are_listed_shown_and_cancelled(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    run("power", "on", "worker-0-0", "--wait")
    assert "worker-0-0" in run("jobs").out
    assert [job["id"] for job in run("jobs", "list", "--json").json] == [1]
    assert run("jobs", "--open", "--json").json == []
    assert "guards: nobody registered" in run("jobs", "show", "1").out
    rack.switch_s = 5.0
    run("power", "on", "worker-0-[1-3]")
    ran = run("jobs", "cancel", "2")
    assert (ran.code, "job 2 cancelled: off: worker-0-[1-3] (cancelled" in ran.out) == (0, True)
