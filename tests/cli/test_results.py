"""What became of a job is told as it is: also when others switch, when graped restarts, when nobody can read."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from grapecli import result
from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


def entry(verb: str, **task: object) -> tuple[str, str, str]:
    told = {"name": "a", "step": "ended", "result": None, "reason": "", "observed": "off", **task}
    return result.of_job({"verb": verb, "tasks": [told]})[0]


@pytest.mark.parametrize(
    ("verb", "task", "word", "reason"),
    [
        ("on", {"result": "done", "observed": "on"}, "on", ""),
        ("cycle", {"result": "done", "observed": "on"}, "on", ""),
        ("off", {"result": "done"}, "off", ""),
        ("on", {"result": "done"}, "off", "was on; changed since"),
        ("on", {"result": "done", "observed": "unknown"}, "unknown", "was on; not known now"),
        ("on", {"step": "on"}, "off", "still switching on"),
        ("on", {"step": "queued", "reason": "waits for watts"}, "off", "still queued: waits for watts"),
        ("on", {"result": "cancelled", "reason": "cancelled by uid 0"}, "off", "cancelled by uid 0"),
        ("on", {"result": "superseded", "reason": "job 2 asks for off"}, "off", "superseded: job 2 asks for off"),
        ("on", {"result": "failed", "reason": "no answer", "observed": "unknown"}, "unknown", "no answer"),
    ],
)
def test_a_result_says_what_is_and_why(verb: str, task: dict[str, object], word: str, reason: str) -> None:
    assert entry(verb, **task) == ("a", word, reason)


def test_a_wait_goes_on_over_a_restart_of_graped(run: Run, daemon: FakeDaemon, rack: Rack, socket_path: Path) -> None:
    rack.switch_s = 0.4
    restarted: list[FakeDaemon] = []

    def restart() -> None:
        while not rack.jobs:
            time.sleep(0.01)
        daemon.close()
        daemon.drop()
        socket_path.unlink()
        time.sleep(0.3)
        restarted.append(FakeDaemon(socket_path, rack))

    thread = threading.Thread(target=restart)
    thread.start()
    ran = run("power", "on", "worker-0-[0-2]", "--wait")
    thread.join()
    restarted[0].close()
    assert (ran.code, ran.out) == (0, "on: worker-0-[0-2]\n")


def test_an_empty_node_set_is_told_in_words(run: Run, daemon: FakeDaemon) -> None:
    ran = run("power", "on", "")
    assert (ran.code, daemon.seen) == (2, [])
    assert "NODESET is empty" in ran.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(command: list[str], daemon: FakeDaemon) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*command, "status"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr == "grapecli: The output cannot be written: stdout: no space left on device\n"


def test_closed_or_narrow_streams_stop_nothing(command: list[str], daemon: FakeDaemon) -> None:
    closed = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *command, "status"], timeout=20, check=False)
    assert closed.returncode == 0
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ascii_only = subprocess.run([*command, "status"], env=env, capture_output=True, text=True, timeout=20)
    assert (ascii_only.returncode, ascii_only.stderr) == (0, "")
    assert "?C" in ascii_only.stdout
