"""The installer on a machine of the lab, as an administrator calls it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.lab.machines.bare_machine import SOURCE, WHEELHOUSE, BareMachine

INSTALL: Final = f"{SOURCE}/master_setup/install"
APPLY_S: Final = 300.0


class Installer:
    """``install`` with the same options each time."""

    def __init__(self, machine: BareMachine, *options: str) -> None:
        self.machine = machine
        self.options = (f"--wheelhouse={WHEELHOUSE}", *options)
        self.told: list[str] = []  # the lines of the last call that was to be interrupted, to its very end
        self._nsenter = 0

    def attempt(self, verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Call a verb, whatever comes of that."""
        return self.machine.attempt(INSTALL, verb, *more, timeout_s=APPLY_S)

    def do(self, verb: str, *more: str, code: int = 0) -> str:
        """Call a verb that has to end with ``code``, and give what it said."""
        done = self.attempt(verb, *more)
        said = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"install {verb} ended with {done.returncode}, not {code}:\n{said[-8000:]}"
        return said

    def apply(self, *more: str) -> str:
        """Apply with the options."""
        return self.do("apply", *self.options, *more)

    def interrupted(self, verb: str, reached: Callable[[str], bool], end: Callable[[], object]) -> bool:
        """Call a verb, and ``end`` at the first line it tells that is ``reached``; False where none was."""
        options = self.options if verb == "apply" else ()
        child = subprocess.Popen(
            self.machine.command(*self.machine.session(), INSTALL, verb, *options), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert child.stdout is not None
        late = threading.Timer(APPLY_S, child.kill)
        late.start()
        self.told = []
        try:
            self._nsenter = child.pid
            for line in map(bytes.decode, child.stdout):
                self.told.append(line)
                if reached(line):
                    end()
                    child.wait()
                    os.set_blocking(child.stdout.fileno(), False)  # what it has started may have the other end, too
                    self.told += (child.stdout.read() or b"").decode().splitlines()
                    return True
            assert child.wait() == 0, "".join(self.told)
            return False
        finally:
            late.cancel()
            child.kill()
            child.wait()
            child.stdout.close()

    def kill(self) -> None:
        """SIGKILL to the installer that :meth:`interrupted` has started; what it has started itself goes on.

        From outside, at once: a command of its own on the machine takes longer than some steps.
        """
        children = Path(f"/proc/{self._nsenter}/task/{self._nsenter}/children")
        for pid in children.read_text().split():  # none where it has just ended by itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
