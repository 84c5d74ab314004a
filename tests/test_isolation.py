"""A fault stays where it is: a stack that hangs for its full deadline delays nobody by as much as a poll interval."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from graped.hardware.sim.faults import FaultKind, SimFault
from tests.campaign.campaign import room
from tests.campaign.rig import Rig
from tests.campaign.wire import lines_of

POLL_S = 1.0
TRIES = 3  # a machine may be busy for a while; a stack that is in the way is so each time
HANGING, SAME_BUS, OTHER_BUS = 0, 1, 4
CONFIG = f"""
[cluster.stacks.{HANGING}]
bus = 0
[cluster.stacks.{SAME_BUS}]
bus = 0
[cluster.stacks.{OTHER_BUS}]
bus = 1
[power]
at_start = "{{policy}}"
stagger_s = 0
inrush_s = 0
[poll]
power_s = {POLL_S}
meters_s = {POLL_S}
retry_max_s = {POLL_S}
"""
"""A stack that does not answer is asked again at every poll, so that it is in the way as often as it can be."""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with room() as path:
        rig = Rig(path, CONFIG)
        try:
            rig.start()
            yield rig
        finally:
            rig.close()


class Watched:
    """What the wire showed between two moments."""

    def __init__(self, rig: Rig, since: float, until: float) -> None:
        with rig.trace.open() as texts:
            self.lines = [line for line in lines_of(texts) if since <= line.t <= until]

    def polls(self, stack: int) -> list[float]:
        """When each poll of a stack began."""
        times = [line.t for line in self.lines if line.by == f"poll stack {stack}"]
        return [t for before, t in itertools.pairwise([0.0, *times]) if t - before > POLL_S / 4]

    def longest_pause(self, stack: int) -> float:
        polls = self.polls(stack)
        return max(later - earlier for earlier, later in itertools.pairwise(polls))

    def timeouts(self, stack: int) -> int:
        return sum(line.result == "timeout" and line.by == f"poll stack {stack}" for line in self.lines)


def wait_for(rig: Rig, stack: int, *states: str) -> None:
    deadline = time.monotonic() + 20
    while rig.client.get(f"/v1/stacks/{stack}")["state"] not in states:
        assert time.monotonic() < deadline, f"stack {stack} does not become {states}"
        time.sleep(0.02)


def until_on_the_wire(rig: Rig, stack: int, verb: str) -> float:
    """How long a command takes from the request to its byte on the wire."""
    asked = time.time()
    job = rig.client.post("/v1/power", {"nodes": f"worker-{stack}-3", "verb": verb})
    ended = rig.client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")
    assert ended["outcome"] == "done", ended
    by = f"switch stack {stack} for job {job['id']}"
    sent = [line.t for line in Watched(rig, asked, time.time()).lines if line.op == "send_byte" and line.by == by]
    return sent[0] - asked


def delays(rig: Rig) -> list[str]:
    """Watch polls and commands beside a stack that hangs; say what was late."""
    began = time.time()
    latencies = []
    for turn, stack in itertools.product(range(6), (SAME_BUS, OTHER_BUS)):
        time.sleep(0.37)  # now before, now behind the one that hangs
        latencies.append(until_on_the_wire(rig, stack, "off" if turn % 2 else "on"))
    watched = Watched(rig, began, time.time())
    assert watched.timeouts(HANGING) >= 5, "it did not hang, so nothing is shown"
    late = [f"commands after {latencies} s"] if max(latencies) >= POLL_S else []
    for stack in (SAME_BUS, OTHER_BUS):
        assert len(watched.polls(stack)) >= 3
        if (pause_s := watched.longest_pause(stack)) >= 2 * POLL_S:
            late.append(f"stack {stack} not polled for {pause_s} s")
    return late


def test_a_stack_that_hangs_delays_nobody_by_a_poll_interval(rig: Rig) -> None:
    for stack in (HANGING, SAME_BUS, OTHER_BUS):
        wait_for(rig, stack, "ok", "degraded")
    last = rig.client.get("/v1/events", limit=1)[-1]["id"]
    fault = rig.rack.add_fault(SimFault(kind=FaultKind.TIMEOUT, stack=HANGING))
    wait_for(rig, HANGING, "missing")
    job = rig.client.post("/v1/power", {"nodes": f"worker-{HANGING}-2", "verb": "on"})  # it waits for its stack
    for _ in range(TRIES):
        if not (late := delays(rig)):
            break
    assert not late
    assert {node["power"]["observed"] for node in rig.client.get("/v1/nodes", nodes=f"@slots:{HANGING}")} == {"unknown"}

    rig.rack.clear_faults(fault.id)
    wait_for(rig, HANGING, "ok", "degraded")
    assert rig.client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")["outcome"] == "done"
    told = [event for event in rig.client.get("/v1/events", after=last, limit=1000) if event["stack"] == HANGING]
    kinds = [event["kind"] for event in told if event["kind"].startswith("stack.") and "meter" not in event["kind"]]
    assert kinds == ["stack.missing", "stack.answers"], "said once, and its end once"
