"""Starts graped again and again without importing it again: ``python -m tests.campaign.nursery``.

Each graped is a process of its own, forked from one that has loaded the modules and done nothing else, with the
arguments, the output and the end of a real one. It saves a second of processor time for each of many starts.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

MODULES = (
    "graped.daemon",
    "graped.hardware.drivers.stack",
    "graped.hardware.sim.pins",
    "graped.hardware.sim.plan",
    "graped.hardware.sim.start",
)


class Child:
    """A graped of the nursery."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end; give its exit code, negative for a signal."""
        return self._nursery.wait()


class Nursery:
    """One child at a time."""

    def __init__(self) -> None:
        words = (sys.executable, "-m", "tests.campaign.nursery")
        root = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": root},
        )

    def spawn(self, arguments: list[str], log: Path) -> Child:
        """Start a graped."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return Child(self, self._told())

    def wait(self) -> int:
        """Wait for the child's end."""
        return self._told()

    def _told(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the nursery has ended")
        return int(line)

    def close(self) -> None:
        """End the nursery; its child has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def _child(arguments: list[str], log: str) -> None:
    """Be a graped, and never come back."""
    code = 70
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
            os.dup2(source, target)
        from graped.__main__ import main

        code = main(arguments)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    for name in MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(told["arguments"], told["log"])
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
