"""A machine that is one process with what it has started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.lab.machines.console import Console
from tests.lab.run import Run

END_S = 60.0


class Process:
    """Starts a command as a session of its own, and ends it at once."""

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.name = name
        self.console = Console(run.folder("consoles") / f"{name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        run.at_end(self.power_cut)

    def launch(self, argv: tuple[str | Path, ...], **env: str) -> None:
        """Start; the console is what it writes."""
        assert not self.running, f"{self.name} is on"
        self.console.fresh()
        with self.console.path.open("ab") as output:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **env},
                start_new_session=True,
            )  # fmt: skip

    @property
    def running(self) -> bool:
        """Whether it is on."""
        return self.process is not None and self.process.poll() is None

    def power_cut(self) -> None:
        """Take its power away."""
        if self.process is None:
            return
        if self.running:  # the number of one that has ended may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(END_S)
        self.process = None

    def wait_for(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """Wait until its console shows this; at once wrong where it has ended."""
        return self.console.wait_for(pattern, timeout_s, lambda: self.running)

    def wait_off(self, timeout_s: float) -> None:
        """Wait until it has switched itself off."""
        assert self.process is not None
        self.process.wait(timeout_s)
