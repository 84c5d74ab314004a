"""The command line of grape-image: words, exit codes, how it talks."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graped.errors import GrapeError
from master_setup.image import cli, console
from master_setup.image.foreign import machine_arch
from master_setup.image.progress import Progress

ROOT = Path(__file__).parents[3]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _signals_as_before() -> object:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_package_list_is_printed_without_building(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["slave", "--out=x", "--list", "--arch=amd64", "--packages=minimal", "--package=vim"]) == 0
    listed = capsys.readouterr().out.split()
    assert listed == sorted(listed)
    assert {"vim", "linux-image-amd64", "systemd"} <= set(listed)


@pytest.mark.parametrize(
    "words",
    [("--package=-rf",), ("--package=A b",), ("--kernel=../x",), ("--file=motd",), ("--file=/nowhere:/etc/x",),
     ("--file=setup.py:etc/x",), ("--mirror=ftp:/x",)],
)  # fmt: skip
def test_wrong_words_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["slave", "--out=x", "--progress=json", *words]) == cli.USAGE
    assert json.loads(capsys.readouterr().err)["code"] == "bad_request"


def test_a_bare_python_runs_it_from_a_source_tree() -> None:
    argv = [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from master_setup.image.cli import main\nsys.exit(main(['--help']))"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    assert "slave" in done.stdout


def test_signals_end_it_once_and_it_says_so(tmp_path: Path) -> None:
    """A signal while apt waits: exit code 130, and nothing but the cache is there."""
    slow = tmp_path / "bin/apt-config"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nsleep 60\n")
    slow.chmod(0o755)
    for name in ("mmdebstrap", "newuidmap"):
        (slow.parent / name).symlink_to(slow)
    argv = [sys.executable, "-m", "master_setup.image", "slave", f"--arch={machine_arch()}", "--mirror=http://x",
            f"--cache={tmp_path}/cache", f"--out={tmp_path}/made.tar"]  # fmt: skip
    env = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    with subprocess.Popen(argv, cwd=ROOT, env=env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        ends = time.monotonic() + 20
        while not (tmp_path / "asked").exists() and time.monotonic() < ends:
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)
    assert child.returncode == cli.INTERRUPTED
    assert b"nothing is left" in err
    assert b"Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "asked", "cache"}


def test_a_pipe_gets_a_line_for_each_tenth() -> None:
    stream = io.StringIO()
    screen = console.choose("auto", stream)
    for done in range(101):
        screen.tell(Progress(phase="download", done=done * 10_000, total=1_000_000, unit="bytes"))
    screen.tell(Progress(phase="clean"))
    screen.fail(GrapeError("it broke", hint="mend it"))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "download: 0.0 of 1.0 MB"
    assert len(lines) == 11 + 1 + 2
    assert lines[-2:] == ["error: it broke", "  hint: mend it"]


def test_a_terminal_gets_a_bar_in_place() -> None:
    stream = Terminal()
    screen = console.choose("auto", stream)
    for done in (0, 2, 4):
        screen.tell(Progress(phase="install", done=done, total=4, unit="packages"))
    screen.tell(Progress(phase="clean"))
    screen.close()
    shown = stream.getvalue()
    assert shown.count("\n") == 2
    assert "4 of 4 packages" in shown
    assert shown.index("4 of 4") < shown.index("clean")


def test_a_program_gets_json_and_nothing_twice() -> None:
    stream = io.StringIO()
    screen = console.choose("json", stream)
    for _ in range(3):
        screen.tell(Progress(phase="install", done=1, total=2, unit="packages"))
    screen.note("a word")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert told == [{"phase": "install", "done": 1, "total": 2, "unit": "packages"}, {"note": "a word"}]


def test_quiet_is_quiet_but_for_what_went_wrong() -> None:
    stream = io.StringIO()
    screen = console.choose("none", stream)
    screen.tell(Progress(phase="install", done=1, total=2, unit="packages"))
    assert stream.getvalue() == ""
    screen.fail(GrapeError("it broke"))
    assert stream.getvalue() == "error: it broke\n"
