"""Commands of people against a real sshd: output as far as it is kept, late ones ended, nothing left over there."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from graped.network.ssh_client import Session
from graped.network.ssh_gather import Gathered, gather
from tests.network.conftest import PATIENCE_S

LIMIT = 1000
SLACK_S = 10.0  # a busy machine, and the second between SIGTERM and SIGKILL
LATE_S = 3.0  # time for a command to begin, also there


def told(session: Session, command: str, *, stdin: bytes = b"", timeout_s: float = PATIENCE_S) -> Gathered:
    return gather(session, command, stdin=stdin, timeout_s=timeout_s, limit_bytes=LIMIT)


def gone(pid_file: Path) -> bool:
    """Wait for the end of the process whose number is in a file."""
    pid = int(pid_file.read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_both_outputs_and_the_code_are_told(session: Session) -> None:
    assert told(session, "echo out; echo err >&2; exit 7") == Gathered(code=7, stdout="out\n", stderr="err\n")


def test_stdin_arrives_and_ends(session: Session) -> None:
    assert told(session, "cat; echo end", stdin=b"a\xffb\n").stdout == "a\ufffdb\nend\n"
    assert told(session, "cat").stdout == ""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_is_over_the_limit_is_let_go_and_the_command_still_ends(session: Session, stream: str) -> None:
    end = told(session, f"yes | head -c 3000000 {'>&2' if stream == 'stderr' else ''}; exit 3")
    assert (end.code, end.error) == (3, None)
    assert getattr(end, stream) == "y\n" * (LIMIT // 2)
    assert (end.stdout_cut, end.stderr_cut) == (stream == "stdout", stream == "stderr")


def test_exactly_the_limit_is_not_cut(session: Session) -> None:
    end = told(session, f"yes | head -c {LIMIT}")
    assert (len(end.stdout), end.stdout_cut) == (LIMIT, False)


def test_a_late_command_is_ended_and_what_it_said_is_kept(session: Session, tmp_path: Path) -> None:
    began = time.monotonic()
    end = told(session, f"echo so far; echo $$ > {tmp_path}/pid; exec sleep 60", timeout_s=LATE_S)
    assert time.monotonic() - began < LATE_S + SLACK_S
    assert (end.code, end.stdout) == (None, "so far\n")
    assert end.error is not None
    assert end.error.code == "command_timeout"
    assert gone(tmp_path / "pid")
    assert session.alive, "the login is not to blame"


def test_one_that_ignores_sigterm_is_killed(session: Session, tmp_path: Path) -> None:
    line = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    assert told(session, line, timeout_s=LATE_S).error is not None
    assert gone(tmp_path / "pid")


def test_a_command_is_ended_when_its_job_is_cancelled(session: Session, tmp_path: Path) -> None:
    begun = tmp_path / "pid"
    line = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {begun}; exec sleep 60"
    end = gather(session, line, stdin=b"", timeout_s=PATIENCE_S, limit_bytes=LIMIT, stopped=begun.exists)
    assert end.code is None
    assert end.error is not None
    assert end.error.code == "cancelled"
    assert gone(tmp_path / "pid")


def test_one_that_a_signal_ends_has_no_code_and_says_so(session: Session) -> None:
    end = told(session, "kill -9 $$")
    assert end.code is None
    assert end.error is not None
    assert "signal" in end.error.detail


def test_a_program_left_behind_keeps_nobody_waiting(session: Session) -> None:
    began = time.monotonic()
    end = told(session, "echo done; sleep 30 &")
    assert (end.code, end.stdout) == (0, "done\n")
    assert time.monotonic() - began < 1.0 + SLACK_S


def test_a_login_tells_whether_it_is_still_there(session: Session) -> None:
    assert session.answers(PATIENCE_S)


def test_others_on_the_same_login_are_not_ended_with_it(session: Session) -> None:
    others: list[Gathered] = []
    other = threading.Thread(target=lambda: others.append(told(session, "sleep 3; echo still here")))
    other.start()
    assert told(session, "sleep 60; true", timeout_s=0.5).error is not None
    other.join()
    assert others == [Gathered(code=0, stdout="still here\n", stderr="")]
