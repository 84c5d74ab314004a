"""Follow a job, and then the boot of its nodes, by long polls; the caller shows and judges what comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from graped.errors import TimedOut, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from grapecli.words import Json
    from graped.api.client import Client

ENDED = ("done", "completed_with_errors", "failed", "cancelled", "interrupted")
POLL_S = 20.0  # one long poll at most
PATIENCE_S = 600.0  # a boot that nothing has been seen of for so long is not waited for any more
BOOT_HINT = "The nodes stay on; grapecli status shows how far they come."
RESTART_S = 20.0  # a graped that restarts is waited for so long
PAUSE_S = 0.1  # between two answers, so that a busy cluster is not asked without end


class Deadline:
    """``--timeout``: one bound over all that is waited for."""

    def __init__(self, timeout_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout_s = timeout_s
        self._clock = clock
        self._ends = None if timeout_s is None else clock() + timeout_s

    def left_s(self) -> float:
        """Tell the seconds that are left, at most those of one long poll."""
        return POLL_S if self._ends is None else min(POLL_S, max(0.0, self._ends - self._clock()))

    def over(self) -> bool:
        """Tell whether the time is over."""
        return self._ends is not None and self._clock() >= self._ends

    def check(self, what: str, hint: str) -> None:
        """Raise TimedOut when the time is over."""
        if self.over():
            raise TimedOut(f"{what} after {self.timeout_s:g} s.", hint=hint)


def job_hint(job: Json) -> str:
    """Say how to look after a job that nobody waits for any more."""
    return f"The job goes on; grapecli jobs show {job['id']} shows it, grapecli jobs cancel {job['id']} cancels it."


def ask(client: Client, deadline: Deadline, path: str, **query: object) -> Any:
    """Ask, and again while graped restarts: what became of a job is told after it. Raises Unreachable."""
    patience: Deadline | None = None
    while True:
        try:
            return client.get(path, **query)
        except Unreachable:
            patience = patience or Deadline(RESTART_S)
            if patience.over() or deadline.over():
                raise
            time.sleep(PAUSE_S)


def job(client: Client, job: Json, deadline: Deadline, every_s: float = POLL_S) -> Iterator[Json]:
    """Yield a job at each change and every so often, the last time when it ended. Raises TimedOut, Unreachable."""
    while True:
        yield job
        if job["outcome"] in ENDED:
            return
        deadline.check(f"Job {job['id']} is still {job['outcome']}", job_hint(job))
        time.sleep(min(PAUSE_S, deadline.left_s()))
        wait_s = round(min(every_s, deadline.left_s()), 3)
        job = ask(client, deadline, f"/v1/jobs/{job['id']}", wait_s=wait_s, differs_from=job["version"])


def boot(client: Client, names: list[str], deadline: Deadline, every_s: float = POLL_S) -> Iterator[dict[str, Json]]:
    """Yield the nodes by name at each change of the cluster and every so often, without end: the caller stops.

    Raises Unreachable, and TimedOut at the deadline, or when no node has come any further for ``PATIENCE_S``.
    """
    wanted = set(names)
    patience, before = Deadline(PATIENCE_S), None
    while True:
        status = ask(client, deadline, "/v1/status")
        nodes = {node["name"]: node for node in status["nodes"] if node["name"] in wanted}
        yield nodes
        stages = [(node["stage"], node["stage_reason"], node["fetched"]) for node in nodes.values()]
        if stages != before:
            patience, before = Deadline(PATIENCE_S), stages
        deadline.check("Not every node is up", BOOT_HINT)
        patience.check("Not every node is up, and none has come any further", BOOT_HINT)
        time.sleep(min(PAUSE_S, deadline.left_s()))
        wait_s = round(min(every_s, deadline.left_s()), 3)
        ask(client, deadline, "/v1/revision", differs_from=status["revision"], wait_s=wait_s)


def judge_boot(node: Json | None) -> tuple[str, str] | None:
    """Judge a node that should come up: None while it may, else (word, reason); ("up", "") is success."""
    if node is None:
        return "unknown", "the node is not in the configuration any more"
    power, reason = node["power"], str(node["stage_reason"])
    if power["observed"] != "on":
        why = power["fault"]["message"] if power["fault"] else "it lost its power while it was booting"
        return str(power["observed"]), str(why)
    if node["stage"] == "up":
        return "up", ""
    if not node["configured"]:
        return "on", "no node is configured in this slot"
    if node["stage"] is None:
        return "on", f"stage unknown: {reason or 'no evidence'}"
    return ("on", f"{node['stage']}: {node['late']}") if node["late"] else None
