"""What commands of jobs said on nodes: of the last jobs, in memory alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

from graped.api.remote_types import JobResults, NodeError, NodeOutput

JOBS: Final = 8  # of which results are kept
KEPT_BYTES: Final = 64_000_000  # in all; the newest job's are kept, however many they are
ANSWER_BYTES: Final = 2_000_000  # of one answer; one node more than that at most
_OVERHEAD_BYTES: Final = 500


class Results:
    """One job's, filled by threads as nodes end."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._names = names
        self._nodes: list[NodeOutput] = []
        self._begun: set[str] = set()
        self._closed = False
        self.size_bytes = 0

    def begin(self, name: str) -> None:
        """A node is worked on."""
        with self._lock:
            self._begun.add(name)

    def add(self, one: NodeOutput) -> None:
        """Take what became of a node; its number is given here."""
        with self._lock:
            if not self._closed:
                self._nodes.append(replace(one, number=len(self._nodes) + 1))
                self.size_bytes += _size(one)
                self._closed = len(self._nodes) == len(self._names)

    @property
    def settled(self) -> bool:
        """Whether nothing is worked on."""
        with self._lock:
            return len(self._begun) == len(self._nodes)

    def close(self, why: NodeError) -> tuple[NodeOutput, ...]:
        """End it: nodes of which nothing is known did not run it, and say why. Return all."""
        with self._lock:
            known = {one.name for one in self._nodes}
            for name in self._names:
                if name not in known:
                    self._nodes.append(not_run(name, why, number=len(self._nodes) + 1))
            self._closed = True
            return tuple(self._nodes)

    def after(self, job: int, number: int) -> JobResults:
        """Tell what came behind a number, as much as fits into an answer."""
        with self._lock:
            found: list[NodeOutput] = []
            room = ANSWER_BYTES
            for one in self._nodes[number:]:
                if room <= 0:
                    break
                found.append(one)
                room -= _size(one)
            last = min(number, len(self._nodes)) + len(found)
            ended = self._closed and last == len(self._nodes)
            return JobResults(
                job=job, nodes=tuple(found), last=last, total=len(self._names), ended=ended, kept=True
            )  # fmt: skip


class Kept:
    """Those of the last jobs. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._jobs: dict[int, Results] = {}

    def keep(self, job: int, results: Results) -> None:
        """Keep one more; the oldest go."""
        self._jobs[job] = results
        self.trim()

    def trim(self) -> None:
        """Let the oldest go where there are too many, or they are too large."""
        while len(self._jobs) > JOBS or (
            len(self._jobs) > 1 and sum(one.size_bytes for one in self._jobs.values()) > KEPT_BYTES
        ):
            del self._jobs[min(self._jobs)]

    def after(self, job: int, number: int) -> JobResults:
        """Tell what came of a job behind a number."""
        found = self._jobs.get(job)
        if found is None:
            return JobResults(job=job, nodes=(), last=number, total=0, ended=True, kept=False)
        return found.after(job, number)


def not_run(name: str, why: NodeError, *, seconds: float = 0.0, number: int = 0) -> NodeOutput:
    """Say that a node did not run a command."""
    return NodeOutput(
        number=number, name=name, code=None, stdout="", stderr="", stdout_cut=False, stderr_cut=False,
        seconds=seconds, error=why,
    )  # fmt: skip


def _size(one: NodeOutput) -> int:
    return len(one.stdout) + len(one.stderr) + _OVERHEAD_BYTES
