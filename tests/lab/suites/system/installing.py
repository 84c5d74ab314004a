"""The installer on a machine of the lab, as an administrator calls it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from typing import Final

from tests.lab.machines.bare_machine import SOURCE, WHEELHOUSE, BareMachine

INSTALL: Final = f"{SOURCE}/master_setup/install"
APPLY_S: Final = 180.0
PID: Final = "/run/killed.pid"


class Installer:
    """``install`` with the same options each time."""

    def __init__(self, machine: BareMachine, *options: str) -> None:
        self.machine = machine
        self.options = (f"--wheelhouse={WHEELHOUSE}", *options)

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
        words = ("sh", "-c", f'echo $$ >{PID}; exec "$@"', "sh", INSTALL, verb, *options)
        child = subprocess.Popen(
            self.machine.command(*self.machine.session(), *words), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        late = threading.Timer(APPLY_S, child.kill)
        late.start()
        told = []
        try:
            for line in child.stdout:
                told.append(line)
                if reached(line):
                    end()
                    return True
            assert child.wait() == 0, "".join(told)
            return False
        finally:
            late.cancel()
            child.kill()
            child.wait()
            child.stdout.close()

    def kill(self) -> None:
        """SIGKILL to the installer that :meth:`interrupted` has started; what it has started itself goes on."""
        self.machine.do("sh", "-c", f"kill -KILL $(cat {PID})")
