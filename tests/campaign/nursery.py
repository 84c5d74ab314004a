"""Starts graped again and again without importing it again: ``python -m tests.campaign.nursery``.

Each graped is a process of its own, forked from one that has loaded the modules and done nothing else, with the
arguments, the output and the end of a real one. It saves a second of processor time for each of many starts.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import subprocess
import sys
import traceback
from pathlib import Path

import graped


class Child:
    """A graped of the nursery."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Give its exit code (negative for a signal), None while it runs."""
        return self._nursery.code(wait=False)

    def wait(self) -> int:
        """Wait for its end; give its exit code."""
        code = self._nursery.code(wait=True)
        assert code is not None
        return code


class Nursery:
    """One child at a time."""

    def __init__(self) -> None:
        self._code: int | None = None
        words = (sys.executable, "-m", "tests.campaign.nursery")
        root = str(Path(__file__).resolve().parents[2])
        around = {**os.environ, "PYTHONPATH": root}
        self._process = subprocess.Popen(  # unbuffered, so that what can be read is what select says
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=root, env=around
        )

    def spawn(self, arguments: list[str], log: Path) -> Child:
        """Start a graped."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "log": str(log)}).encode() + b"\n")
        self._code = None
        return Child(self, self._told())

    def code(self, *, wait: bool) -> int | None:
        """Give the child's exit code, or None while it runs."""
        assert self._process.stdout is not None
        if self._code is None and (wait or select.select([self._process.stdout], [], [], 0)[0]):
            self._code = self._told()
        return self._code

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
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    for module in pkgutil.walk_packages(graped.__path__, "graped."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
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
