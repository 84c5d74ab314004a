"""What is switched on is in the swarm, without another command."""

from __future__ import annotations

import time

import pytest

from tests.lab.crowd import Crowd

READY_S = 10.0  # from the end of `power on --wait=up` until a service runs on each
SOON_S = 120.0


def test_what_is_switched_on_is_in_the_swarm(crowd: Crowd, record_property: pytest.RecordProperty) -> None:
    crowd.up()
    crowd.service("everywhere")
    up_s, ready_s, runs_s = switched_on(crowd)
    assert runs_s < READY_S, (ready_s, runs_s)
    crowd.until(lambda: all(crowd.labelled(name) for name in crowd.slaves), SOON_S, "they have their labels")
    record_property(
        "summary",
        f"swarm: power on to up {up_s:.1f} s, to Ready {ready_s:.1f} s later, a service on each {runs_s:.1f} s later",
    )


def switched_on(crowd: Crowd) -> tuple[float, float, float]:
    """Switch all off and on; tell when they are up, and how much later they are ready, and at work."""
    crowd.down()
    crowd.until(lambda: len(crowd.entries()) == 1, SOON_S, "they have left the swarm")
    began = time.monotonic()
    crowd.power("on", "@stack:0", "--wait=up")
    up_s = time.monotonic() - began
    ready_s = crowd.until(crowd.ready, SOON_S, "all three are ready")
    at_work = dict.fromkeys(crowd.slaves, 1)
    return (
        up_s,
        ready_s,
        ready_s + crowd.until(lambda: crowd.running("everywhere") == at_work, SOON_S, "it runs on each"),
    )


def test_a_cut_node_is_seen_down_and_comes_back_as_itself(crowd: Crowd, record_property: pytest.RecordProperty) -> None:
    crowd.up()
    crowd.service("six", 6)
    crowd.until(lambda: crowd.is_whole("six", 6), SOON_S, "six tasks run")
    name = max(crowd.running("six"))
    labels = crowd.entries(name)[0].labels
    crowd.slaves[name].power_cut()
    down_s = crowd.until(lambda: [one.state for one in crowd.entries(name)] == ["down"], SOON_S, f"{name} is down")
    crowd.until(lambda: crowd.is_whole("six", 6), SOON_S, "its tasks run elsewhere")
    assert crowd.running("six")[name] == 0
    crowd.power("cycle", name, "--wait=up")
    ready_s = crowd.until(lambda: crowd.ready(name), SOON_S, f"{name} is ready again")
    assert [one.labels for one in crowd.entries(name)] == [labels]
    assert len(crowd.entries()) == 1 + len(crowd.slaves)
    record_property("summary", f"swarm: a cut node is down after {down_s:.1f} s, Ready {ready_s:.1f} s after it is up")
