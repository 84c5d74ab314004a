"""The timeline of a boot as people see it: drawn, in a pipe, and while they wait."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from grapecli import progress, timeline
from grapecli.live import Live
from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack

START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def node(*marks: tuple[str, float], **more: Any) -> dict[str, Any]:
    """A node whose boot has these marks (stage, seconds after power-on)."""
    told = [{"stage": stage, "at": at(seconds), "evidence": f"saw {stage}"} for stage, seconds in marks]
    stage, since = (marks[-1][0], at(marks[-1][1])) if marks else (None, None)
    return {"timeline": told, "stage": stage, "stage_since": since, "stage_reason": "", "late": "", **more}


BOOT = node(("powered", 0), ("dhcp", 5), ("tftp", 6), ("kernel", 20), ("root", 24.96), ("up", 40))


def test_each_stage_has_a_bar_where_it_was_and_its_seconds() -> None:
    lines = timeline.draw(BOOT, at(9999), fine=False)
    assert lines[:2] == ["", "boot, in all 40 s"]
    bars = {line.split("|")[0].strip(): line[11:51] for line in lines[2:]}
    assert bars["powered"] == "#####".ljust(40)
    assert bars["dhcp"] == (" " * 5 + "#").ljust(40)
    assert bars["tftp"] == (" " * 6 + "#" * 14).ljust(40)
    assert bars["root"] == " " * 25 + "#" * 15
    assert lines[4].endswith("|  14 s          saw tftp")
    assert lines[-1].endswith("|                saw up")


def test_a_boot_that_goes_on_is_drawn_until_now() -> None:
    lines = timeline.draw(node(("powered", 0), ("tftp", 10)), at(20), fine=True)
    assert lines[1] == "boot, so far 20 s"
    assert lines[-1][11:51] == (" " * 20 + "\u2588" * 20)
    assert "10 s ..." in lines[-1]


def test_nothing_is_drawn_without_a_boot_and_nothing_breaks_without_time() -> None:
    assert timeline.draw(node(), at(0), fine=True) == []
    for line in timeline.draw(node(("powered", 0), ("up", 0)), at(0), fine=False)[2:]:
        assert len(line.split("|", 1)[1].rsplit("|  ", 1)[0]) == timeline.WIDTH


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ((("powered", 0), ("up", 34)), "34 s"),
        ((("dhcp", 0), ("up", 34)), ""),  # its power-on was not seen
        ((("powered", 0), ("up", 34), ("lost", 99)), ""),
        ((), ""),
    ],
)
def test_the_time_of_a_whole_boot(marks: tuple[tuple[str, float], ...], text: str) -> None:
    assert timeline.boot_time(node(*marks)) == text


def test_node_show_draws_the_boot_in_ascii_in_a_pipe(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.nodes["worker-0-1"].update(
        BOOT, fetched={"discovers": 2, "files": 9, "file_bytes": 25_300_000, "last_file": "x", "missing": ""}
    )
    out = run("node", "show", "worker-0-1").out
    assert "boot, in all 40 s" in out
    assert "  tftp    |      ##############  " in out
    assert "over the network, image bookworm, root by auto" in out
    assert "9 files, 25.3 MB, after 2 DHCP requests" in out
    assert "10.77.0.11" in out
    assert out.isascii()
    assert "\u2588" in run("node", "show", "worker-0-1", out_tty=True).out


def test_node_show_says_why_a_node_is_late_and_what_to_do(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.nodes["worker-0-1"].update(BOOT, late="took start4.elf, then nothing", late_hint="Look at its cable.")
    lines = run("node", "show", "worker-0-1").out.splitlines()
    late = next(number for number, line in enumerate(lines) if line.startswith("late"))
    assert lines[late].endswith("took start4.elf, then nothing")
    assert lines[late + 1].endswith("Look at its cable.")


def test_an_empty_slot_and_a_local_node_show_what_they_have(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    assert "image" not in run("node", "show", "worker-0-5").out
    rack.nodes["worker-0-1"].update(boot="local", image=None, strategy=None)
    assert "from its own disk" in run("node", "show", "worker-0-1").out


def test_a_stage_that_nobody_tells_is_not_called_unknown_on_every_line(
    run: Run, daemon: FakeDaemon, rack: Rack
) -> None:
    rack.turn_on("worker-0-0")
    rack.nodes["worker-0-0"].update(stage=None, stage_reason="nothing tells its boot stages", watched=False)
    assert "stage unknown" not in run("status").out
    assert "nothing tells its boot stages" in run("node", "show", "worker-0-0").out


def test_waiting_at_a_terminal_shows_stage_seconds_and_why_it_is_late() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30, color_system=None)
    live = Live(color=False, console=screen)
    booting = node(("powered", 0), ("tftp", 3)) | {"stage_reason": "read bootcode.bin"}
    late = node(("powered", 0), ("dhcp", 3), late="asked DHCP 5 times, took no file")
    live.show(
        {
            "worker-0-0": progress.of_node(booting, None),
            "worker-0-1": progress.of_node(late, ("on", f"dhcp: {late['late']}")),
            "worker-0-2": progress.of_node(BOOT, ("up", "")),
        }
    )
    live.close()
    assert isinstance(screen.file, io.StringIO)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
    lines = {line.split()[0]: line for line in shown.splitlines() if "worker-" in line}
    assert "tftp (read bootcode.bin)" in lines["worker-0-0"]
    assert "asked DHCP 5 times, took no file" in lines["worker-0-1"]
    assert " 40 s  up" in lines["worker-0-2"]


def test_waiting_in_a_pipe_says_each_stage_once(run: Run, daemon: FakeDaemon, rack: Rack) -> None:
    rack.stage_s = 0.15
    rack.stuck_at["worker-0-1"] = ("dhcp", "asked DHCP 5 times, took no file")
    ran = run("power", "on", "worker-0-[0-1]", "--wait=up")
    assert ran.code == 1
    assert ran.out == "up: worker-0-0  on: worker-0-1 (dhcp: asked DHCP 5 times, took no file)\n"
    lines = ran.err.splitlines()
    assert len(set(lines)) == len(lines)
    assert "worker-0-1: on (dhcp: asked DHCP 5 times, took no file)" in lines
