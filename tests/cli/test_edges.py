"""What happens at the edges: no daemon, no right, no reader, no patience; and the shells."""

from __future__ import annotations

import _socket
import errno
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.fake_daemon import FakeDaemon
from tests.cli.fake_rack import Rack


def test_an_unreachable_daemon_has_its_code_and_says_how_to_start_it(run: Run, socket_path: Path) -> None:
    ran = run("power", "on", "worker-0-0")
    assert (ran.code, ran.out) == (3, "")
    assert "systemctl start graped" in ran.err
    assert "--simulate" in ran.err
    error = json.loads(run("--json", "status").err)
    assert error["code"] == "unreachable"


def test_a_socket_that_nobody_listens_on_is_unreachable_too(run: Run, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(socket_path))
    assert run("status").code == 3


def test_a_socket_that_we_may_not_use_is_access_denied(
    run: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(_socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    if os.geteuid() != 0:
        daemon.path.chmod(0)
    else:  # root may use any socket: let the kernel's answer to others come from here
        monkeypatch.setattr(_socket, "socket", Refused)
    ran = run("status")
    assert ran.code == 4
    assert "group" in ran.err


def test_help_lists_commands_and_exit_codes_without_a_daemon(run: Run) -> None:
    ran = run("--help")
    for word in ("status", "power", "completion", "Exit codes", "130"):
        assert word in ran.out
    for args in (["power", "on"], ["meters"], ["sim", "fault", "add"], ["jobs"], ["config", "check"]):
        ran = run(*args, "-h")
        assert ran.code == 0
        assert "--json" in ran.out


def test_a_typed_wrong_command_names_the_nearest(run: Run) -> None:
    ran = run("powr", "on", "worker-0-0")
    assert ran.code == 2
    assert "Did you mean 'power'?" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_sound(run: Run, shell: str) -> None:
    ran = run("completion", shell)
    assert "_GRAPECLI_COMPLETE" in ran.out
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=ran.out, text=True, timeout=10).returncode == 0


def test_node_names_complete_and_nothing_comes_without_a_daemon(
    command: list[str], socket_path: Path, rack: Rack
) -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        env = {**os.environ, "_GRAPECLI_COMPLETE": "bash_complete", "COMP_WORDS": line,
               "COMP_CWORD": str(len(words) - 1), "GRAPE_SOCKET": str(socket_path)}  # fmt: skip
        done = subprocess.run(command[:3], env=env, capture_output=True, text=True, timeout=20)
        assert done.stderr == ""
        return [entry.split(",", 1)[1] for entry in done.stdout.splitlines() if entry]

    assert complete("grapecli power on worker-0-") == []
    daemon = FakeDaemon(socket_path, rack)
    assert complete("grapecli power on worker-0-") == [f"worker-0-{slot}" for slot in range(6)]
    assert complete("grapecli power off worker-0-1,worker-1-5") == ["worker-0-1,worker-1-5"]
    assert "@stack:1" in complete("grapecli power off @")
    assert complete("grapecli pow") == ["power"]
    daemon.close()


def test_a_reader_that_goes_away_is_no_error(command: list[str], daemon: FakeDaemon, rack: Rack) -> None:
    for _ in range(20):
        rack.log("test", "x" * 100)
    process = subprocess.Popen([*command, "events", "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        rack.log("test", "more")
        time.sleep(0.05)
    assert (process.wait(20), process.stderr.read()) == (0, "")
    process.stderr.close()


def test_following_events_prints_json_lines_until_ctrl_c(command: list[str], daemon: FakeDaemon, rack: Rack) -> None:
    rack.log("power.on", "one")
    argv = [*command, "events", "-f", "--json", "--kind", "power"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    rack.log("stack.ok", "not of this kind")
    rack.log("power.off", "two")
    second = json.loads(process.stdout.readline())
    assert (first["message"], second["message"]) == ("one", "two")
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def in_terminal(argv: list[str], *, at: bytes = b"", send: bytes = b"") -> tuple[int, str]:
    """Run a process in a terminal of its own; ``send`` is typed once when ``at`` was printed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: the process closed its side
                break
            shown += data
        if send and at in shown:
            os.write(terminal, send)
            send = b""
    _pid, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_ctrl_c_while_waiting_says_that_the_job_goes_on(command: list[str], daemon: FakeDaemon, rack: Rack) -> None:
    rack.switch_s = 5.0
    argv = [*command, "power", "on", "worker-0-[0-3]", "--wait"]
    code, shown = in_terminal(argv, at=b"queued", send=b"\x03")
    assert code == 130
    assert "grapecli jobs cancel 1" in shown
    assert "Traceback" not in shown
    assert rack.jobs[1]["outcome"] in ("queued", "running")


def test_a_terminal_gets_a_live_view(command: list[str], daemon: FakeDaemon, rack: Rack) -> None:
    rack.stage_s = 0.05
    code, shown = in_terminal([*command, "power", "on", "worker-0-[0-1]", "--wait=up"])
    assert code == 0
    assert "\x1b[?25l" in shown  # the cursor is hidden while it is drawn
    assert shown.rstrip().splitlines()[-1].replace("\x1b[32m", "").replace("\x1b[0m", "").endswith("up: worker-0-[0-1]")


def test_the_status_path_imports_nothing_heavy(daemon: FakeDaemon) -> None:
    code = (
        "import sys, grapecli.__main__ as cli; "
        f"cli.main(['--socket', {str(daemon.path)!r}, 'status']); "
        "print(*[m for m in ('rich', 'ClusterShell', 'pydantic', 'fastapi', 'http.client', 'asyncio')"
        " if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert done.stderr.strip() == ""


def test_config_check_of_a_file_runs_the_daemons_own_check(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graped = tmp_path / "graped"
    graped.write_text('#!/bin/sh\necho "$2: bad key"\nexit 2\n')
    graped.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    ran = run("config", "check", "some.toml")
    assert (ran.code, ran.out) == (2, "some.toml: bad key\n")
    assert f"Running {graped} --check-config some.toml" in ran.err
    ran = run("config", "check", "some.toml", "--json")
    assert (ran.json["ok"], ran.json["problems"]) == (False, ["some.toml: bad key"])
