"""Completion as a person sees it: a real bash, keys typed into it, what stands on the line then."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.cli.fake_daemon import FakeDaemon

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


class Bash:
    """An interactive bash with the completion of grapecli."""

    def __init__(self, socket_path: Path) -> None:
        bin_folder = Path(sys.executable).parent
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(
                GRAPE_SOCKET=str(socket_path), PATH=f"{bin_folder}:{os.environ['PATH']}", PS1="$ ", TERM="dumb"
            )
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.type(f"bind 'set bell-style none'; eval \"$({bin_folder}/grapecli completion bash)\"; echo rea''dy\n")
        self.wait_for("ready")

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 20.0) -> str:
        """Read until a text has come."""
        shown = ""
        ends = time.monotonic() + timeout_s
        while text not in shown:
            assert time.monotonic() < ends, shown
            if select.select([self.terminal], [], [], 0.1)[0]:
                shown += os.read(self.terminal, 65536).decode(errors="replace")
        return shown

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("power off @sta\t", "power off @stack:"),
        ("power off @stack:1\t", "power off @stack:1 "),
        ("power off worker-0-1,@sta\t", "power off worker-0-1,@stack:"),
        ("power off worker-0-1,worker-1-5\t", "power off worker-0-1,worker-1-5 "),
        ("pow\t", "power "),
        ("status --color=al\t", "status --color=always "),
    ],
)
def test_bash_completes_what_has_an_at_or_a_colon_in_it(daemon: FakeDaemon, typed: str, line: str) -> None:
    bash = Bash(daemon.path)
    try:
        bash.type(f"grapecli {typed}")
        bash.wait_for(f"grapecli {line}")
    finally:
        bash.close()
