"""The lab's own swarm: what the tests of grape_docker stand on."""

from __future__ import annotations

from tests.lab.crowd import Crowd


def test_three_slaves_make_a_swarm_by_hand(crowd: Crowd) -> None:
    crowd.power("on", "@stack:0", "--wait")
    crowd.join_by_hand()
    crowd.until(crowd.ready, 60.0, "all are ready")
    crowd.service("everywhere")
    crowd.until(lambda: crowd.running("everywhere") == dict.fromkeys(crowd.slaves, 1), 60.0, "it runs everywhere")
    assert all(len(slave.containers()) == 1 for slave in crowd.slaves.values())
    crowd.down()
    assert [len(slave.cuts[-1].containers) for slave in crowd.slaves.values()] == [1, 1, 1]
