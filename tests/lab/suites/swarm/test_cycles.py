"""Twenty random cycles: no phantom, a whole service, and nobody dies undrained where power goes by request."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.lab.crowd import Crowd
from tests.lab.slave import Cut

CYCLES = 20
SEED = os.environ.get("GRAPE_LAB_SEED", "5")
REPLICAS = 6
WHOLE_S = 180.0
CUT_S = 60.0


class Story:
    """What was done, at random, and what has gone wrong by it."""

    def __init__(self, crowd: Crowd, seed: str) -> None:
        self.crowd = crowd
        self.told: list[str] = []
        self.undrained: list[str] = []
        self._off: frozenset[str] = frozenset()
        self._random = random.Random(seed)
        self._started = time.monotonic()

    def step(self) -> None:
        """Do one thing to one node."""
        name = self._random.choice(list(self.crowd.slaves))
        what = "on" if name in self._off else self._random.choice(("off", "cut", "cycle", "force"))
        self._off = self._off ^ {name} if what in {"on", "off", "force"} else self._off
        began = time.monotonic()
        cut = self._do(name, what)
        if what in {"off", "cycle"} and cut.containers:
            self.undrained.append(f"{len(self.told)}: {name} {what}")
        now = time.monotonic()
        self.told.append(f"{began - self._started:.1f} {name} {what} {now - began:.1f}")

    def _do(self, name: str, what: str) -> Cut:
        """Do it, and tell how its power went, if it did."""
        slave = self.crowd.slaves[name]
        known = len(slave.cuts)
        match what:
            case "on":
                self.crowd.power("on", name, "--wait")
                return Cut(containers=())
            case "off":
                self.crowd.power("off", name, "--wait")
            case "force":
                self.crowd.power("off", name, "--wait", "--force")
            case "cycle":
                self.crowd.power("cycle", name, "--wait")
            case "cut":  # nobody asked for it: the slot stays on
                self.crowd.until(lambda: slave.running, CUT_S, f"{name} has begun to boot")
                slave.power_cut()
                self.crowd.power("cycle", name, "--wait")
        self.crowd.until(lambda: len(slave.cuts) > known, CUT_S, f"{name} has lost its power")
        return slave.cuts[known]

    def __str__(self) -> str:
        return "\n".join(self.told)


def test_random_cycles_leave_no_phantom(crowd: Crowd, record_property: pytest.RecordProperty) -> None:
    crowd.up()
    crowd.service("six", REPLICAS)
    crowd.until(lambda: crowd.is_whole("six", REPLICAS), WHOLE_S, "six tasks run")
    labels = {one.hostname: one.labels for one in crowd.entries()}
    story = Story(crowd, SEED)
    began = time.monotonic()
    for _ in range(CYCLES):
        story.step()
    cycles_s = time.monotonic() - began
    crowd.power("on", ",".join(crowd.slaves), "--wait")
    crowd.until(crowd.ready, WHOLE_S, f"all are ready after\n{story}")
    whole_s = crowd.until(lambda: crowd.is_whole("six", REPLICAS), WHOLE_S, f"six tasks run after\n{story}")
    assert story.undrained == [], f"died undrained:\n{story}"
    crowd.until(lambda: len(crowd.entries()) == 1 + len(crowd.slaves), WHOLE_S, f"no phantom is left after\n{story}")
    crowd.until(
        lambda: {one.hostname: one.labels for one in crowd.entries()} == labels, WHOLE_S, "they have the same labels"
    )
    assert crowd.master.switches.trouble() == []
    record_property(
        "summary",
        f"swarm: {CYCLES} random cycles (seed {SEED}) in {cycles_s:.0f} s; the service is whole {whole_s:.1f} s later",
    )
