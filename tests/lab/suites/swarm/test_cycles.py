"""Twenty random cycles: no phantom, a whole service, and nobody dies undrained where power goes by request."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.lab.crowd import Crowd

CYCLES = 20
SEED = os.environ.get("GRAPE_LAB_SEED", "5")
REPLICAS = 6
WHOLE_S = 120.0


class Story:
    """What was done, at random, and what has gone wrong by it."""

    def __init__(self, crowd: Crowd, seed: str) -> None:
        self.crowd = crowd
        self.told: list[str] = []
        self.undrained: list[str] = []
        self._random = random.Random(seed)
        self._started = time.monotonic()

    def step(self) -> None:
        """Do one thing to one node."""
        name = self._random.choice(list(self.crowd.slaves))
        if not self.crowd.slaves[name].running:
            self._do(name, "on")
        else:
            self._do(name, self._random.choice(("off", "cut", "cycle", "force")))

    def _do(self, name: str, what: str) -> None:
        slave = self.crowd.slaves[name]
        known, began = len(slave.cuts), time.monotonic()
        match what:
            case "on" | "off":
                self.crowd.power(what, name, "--wait")
            case "force":
                self.crowd.power("off", name, "--wait", "--force")
            case "cycle":
                self.crowd.power("cycle", name, "--wait")
            case "cut":  # nobody asked for it: the slot stays on
                slave.power_cut()
                self.crowd.power("cycle", name, "--wait")
        if what in {"off", "cycle"} and any(cut.containers for cut in slave.cuts[known:]):
            self.undrained.append(f"{len(self.told)}: {name} {what}")
        now = time.monotonic()
        self.told.append(f"{began - self._started:.1f} {name} {what} {now - began:.1f}")

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
    off = [name for name, slave in crowd.slaves.items() if not slave.running]
    if off:
        crowd.power("on", ",".join(off), "--wait")
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
