"""Elastic mode: slots come on because tasks find no node, and go off when their nodes have been idle."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.crowd import Crowd
from tests.lab.suites.swarm.configured import configured

QUIET_S = 6.0
ELASTIC = f"""
[docker.elastic]
active = true
nodes = "@stack:0"
quiet_s = {QUIET_S}
"""
UP_S = 120.0
OFF_S = 120.0


def test_a_service_brings_up_the_slots_it_needs_and_they_go_off_when_it_has_gone(
    crowd: Crowd, record_property: Callable[[str, object], None]
) -> None:
    crowd.down()
    crowd.until(lambda: bool(crowd.entries("master")), UP_S, "there is a swarm")
    with configured(crowd, ELASTIC):
        service = crowd.service("web", 0, max_a_node=1)
        service.scale(3)
        up_s = crowd.until(
            lambda: crowd.running("web") == dict.fromkeys(crowd.slaves, 1), UP_S, "one runs on each node"
        )
        cuts = {name: len(slave.cuts) for name, slave in crowd.slaves.items()}
        service.reload()
        service.scale(0)
        idle_s = crowd.until(lambda: not crowd.running("web"), UP_S, "no task is left")
        off_s = crowd.until(lambda: not any(one.running for one in crowd.slaves.values()), OFF_S, "all slots are off")
    record_property(
        "summary",
        f"elastic: scaled to 3, three nodes came on and ran it after {up_s:.1f} s; "
        f"scaled to 0, all were off after {idle_s + off_s:.1f} s (quiet time {QUIET_S:g} s)",
    )
    assert idle_s + off_s >= QUIET_S  # quiet begins when the last task ends, which is seen later
    assert [len(slave.cuts) - cuts[name] for name, slave in crowd.slaves.items()] == [1, 1, 1]
    assert all(slave.cuts[-1].containers == () for slave in crowd.slaves.values()), "a node went with work on it"
    crowd.until(lambda: not any(crowd.entries(name) for name in crowd.slaves), UP_S, "their entries have gone")
