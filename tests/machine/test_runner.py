"""The command runner, with real small programs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from graped.errors import CommandFailed, CommandTimeout
from graped.runner import SubprocessRunner

SH = shutil.which("sh") or "/bin/sh"


def sh(script: str, *, timeout_s: float = 20.0, runner: SubprocessRunner | None = None, **options: object) -> str:
    runner = runner or SubprocessRunner()
    return runner.run((SH, "-c", script), timeout_s=timeout_s, **options).stdout  # type: ignore[arg-type]


def test_output_comes_back() -> None:
    assert sh("echo one; echo two") == "one\ntwo\n"


def test_arguments_are_never_seen_by_a_shell() -> None:
    strange = "$(id); `id` 'a\" *"
    assert SubprocessRunner().run(("printf", "%s", strange), timeout_s=20).stdout == strange


def test_stdin_is_closed_and_the_environment_explicit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "leaked")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = sh('cat; echo "$LC_ALL/$SECRET/$GIVEN/${PATH:+path}"', env={"GIVEN": "yes"})
    assert said == "C//yes/path\n"


def test_an_unexpected_code_tells_the_program_its_code_and_its_last_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        sh("for i in 1 2 3 4 5; do echo line $i >&2; done; exit 3")
    assert caught.value.detail == f"{SH} ended with code 3: line 3 / line 4 / line 5"


def test_arguments_are_not_told_in_an_error() -> None:
    with pytest.raises(CommandFailed) as caught:
        SubprocessRunner().run((SH, "-c", "exit 1", "password"), timeout_s=20)
    assert "password" not in str(caught.value)


def test_other_codes_can_be_expected() -> None:
    assert SubprocessRunner().run((SH, "-c", "exit 3"), timeout_s=20, expect=frozenset({0, 3})).code == 3


def test_a_signal_is_named() -> None:
    with pytest.raises(CommandFailed, match="signal 15"):
        sh("kill -TERM $$")


@pytest.mark.parametrize(("name", "words"), [("/no/such/tool", "no such program"), ("/etc/passwd", "cannot run")])
def test_what_cannot_be_started_is_a_driver_error(name: str, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        SubprocessRunner().run((name,), timeout_s=20)


def test_a_program_that_hangs_is_stopped_with_its_children() -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"did not end in 0\.2 s"):
        sh("echo begun; sleep 30 & sleep 30; wait", timeout_s=0.2)
    assert time.monotonic() - began < 20


def test_a_program_that_closes_its_pipes_and_hangs_is_stopped() -> None:
    with pytest.raises(CommandTimeout):
        sh("exec >&- 2>&-; sleep 30", timeout_s=0.2)


def test_a_child_left_behind_does_not_hold_up_the_answer() -> None:
    began = time.monotonic()
    assert sh("sleep 15 & echo ready") == "ready\n"
    assert time.monotonic() - began < 10


def test_too_much_output_is_cut_off() -> None:
    with pytest.raises(CommandFailed, match="more than 1000 bytes"):
        sh("while :; do echo 0123456789; done", runner=SubprocessRunner(output_limit_bytes=1000))


def test_endless_complaints_do_not_fill_the_memory_and_the_last_ones_are_told() -> None:
    with pytest.raises(CommandFailed, match="the end"):
        sh("yes complaint | head -c 3000000 >&2; echo the end >&2; exit 1")


def test_big_output_on_both_pipes_does_not_block() -> None:
    said = sh("head -c 60000 /dev/zero | tr '\\0' x; head -c 200000 /dev/zero >&2")
    assert len(said) == 60000


def test_bytes_that_are_no_text_are_survived() -> None:
    assert sh("printf 'a\\377b'") == "a\ufffdb"


def test_no_descriptor_stays_open() -> None:
    sh("true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        sh("true")
    assert len(os.listdir("/proc/self/fd")) == before


def test_lines_are_heard_as_they_come() -> None:
    heard: list[str] = []
    moments: list[float] = []

    def hear(line: str) -> None:
        heard.append(line)
        moments.append(time.monotonic())

    said = sh(r"printf 'one\ntwo\rhalf'; sleep 1; printf ' a line' >&2; echo; printf end", on_line=hear)
    assert said == "one\ntwo\rhalf\nend"
    assert sorted(heard) == [" a line", "end", "half", "one", "two"]
    assert moments[-1] - moments[0] > 0.2


def test_a_line_without_an_end_is_told_in_pieces() -> None:
    heard: list[str] = []
    sh("head -c 25000 /dev/zero | tr '\\0' x", on_line=heard.append)
    assert "".join(heard) == "x" * 25_000
    assert len(heard) > 1


def test_stdout_can_go_elsewhere_however_long_it_is(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        runner = SubprocessRunner(output_limit_bytes=1000)
        said = sh("head -c 100000 /dev/zero; echo noise >&2", runner=runner, stdout=out.fileno(), on_line=print)
    assert said == ""
    assert (tmp_path / "out").stat().st_size == 100_000


def test_the_last_words_of_a_program_that_was_silent_until_a_look_are_heard() -> None:
    for pause_s in (0.0985, 0.0995, 0.1, 0.1005, 0.1985, 0.2):
        assert sh(f"sleep {pause_s}; printf end") == "end"
