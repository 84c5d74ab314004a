"""A node that fails for good: one attempt in its back-off, and nobody waits for it."""

from __future__ import annotations

import json
import math
import time
from itertools import pairwise

import pytest

from graped.network.ssh_keys import KeyRing, fingerprint_of
from tests.lab.crowd import Crowd

MANAGER_PORT = 2377
LOST = "worker-0-1"
OTHERS = ("worker-0-0", "worker-0-2")
RETRY_S, RETRY_MAX_S = 1.0, 8.0  # as in the configuration of the crowd
SOON_S = 120.0
STILL_S = 10.0  # a machine with much to do may miss a node's heartbeats, which come each second
SLACK_S = 15.0  # how much later others may be ready beside it, with a busy machine; who waited for it would need 20 s
BEHIND_S = 0.45  # how much later sshd may say that a login has ended; less than what a wait that does not grow lacks
SENT = "_SOURCE_REALTIME_TIMESTAMP"  # not when journald came to read it
ATTEMPTS = 3  # Docker itself takes 20 s to give up each


def test_a_black_hole_delays_nobody_and_costs_one_attempt_in_its_back_off(
    crowd: Crowd, record_property: pytest.RecordProperty
) -> None:
    slave = crowd.slaves[LOST]
    crowd.up()
    crowd.down()
    alone_s = others_ready_s(crowd)
    crowd.down()
    slave.black_hole(port=MANAGER_PORT)  # it can be logged in to, and its join gets no answer
    try:
        beside_s = others_ready_s(crowd, LOST)
        crowd.until(lambda: len(attempts(crowd)) >= ATTEMPTS, 180.0, f"{ATTEMPTS} attempts at {LOST}")
        crowd.until(lambda: crowd.ready(*OTHERS), STILL_S, f"{OTHERS} are ready all the while")
    finally:
        slave.open_up()
    waits = [begins - ended for (_, ended), (begins, _) in pairwise(attempts(crowd))]
    owed = [min(RETRY_S * 2**number, RETRY_MAX_S) for number in range(len(waits))]
    assert all(wait >= least - BEHIND_S for wait, least in zip(waits, owed, strict=True)), (waits, owed)
    assert beside_s < alone_s + SLACK_S
    back_s = crowd.until(lambda: crowd.ready(LOST), SOON_S, f"{LOST} is ready once it can be")
    record_property(
        "summary",
        f"swarm: two nodes ready {alone_s:.1f} s after power on, {beside_s:.1f} s beside a black hole; "
        f"attempts at it after {' and '.join(f'{wait:.1f}' for wait in waits)} s; ready {back_s:.1f} s after its end",
    )


def others_ready_s(crowd: Crowd, *more: str) -> float:
    """Switch two nodes on, and more, and tell when those two are ready."""
    began = time.monotonic()
    crowd.power("on", ",".join((*OTHERS, *more)), "--wait")
    crowd.until(lambda: crowd.ready(*OTHERS), SOON_S, f"{OTHERS} are ready")
    return time.monotonic() - began


def attempts(crowd: Crowd) -> list[tuple[float, float]]:
    """Tell from when to when grape_docker was logged in on the black hole: one login an attempt; the last may go on."""
    keys = KeyRing(crowd.master.state / "ssh")
    others = {fingerprint_of(key) for key in (keys.cluster_public_key(), crowd.master.key.public)}
    # by the program's name: a process that ended at once after its last line is no longer found to be of a unit
    said = crowd.slaves[LOST].do("journalctl", "--no-pager", "--output=json", "--boot", "--identifier=sshd")
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    for line in map(json.loads, said.splitlines()):
        at_s, pid, text = int(line.get(SENT) or line["__REALTIME_TIMESTAMP"]) / 1e6, line["_PID"], str(line["MESSAGE"])
        if "Accepted publickey" in text and text.split()[-1] not in others:
            began[pid] = at_s
        elif "session closed" in text and pid in began:
            ended[pid] = at_s
    return [(at_s, ended.get(pid, math.inf)) for pid, at_s in began.items()]
