"""Managers by configuration: promoted one by one, demoted before their power goes, back when they are."""

from __future__ import annotations

from tests.lab.crowd import MASTER, Crowd

SOON_S = 120.0
CHOSEN = "worker-0-[0-1]"


def test_two_nodes_are_managers_with_the_master_and_one_leaves_cleanly(crowd: Crowd) -> None:
    crowd.up()
    try:
        crowd.cli("node", "role", "manager", "worker-0-0")
        crowd.until(
            lambda: "quorum_even" in crowd.grape_docker("--json", "status"), SOON_S, "two managers are warned of"
        )
        crowd.cli("node", "role", "manager", CHOSEN)
        crowd.until(lambda: managers(crowd) == ["master", "worker-0-0", "worker-0-1"], SOON_S, "there are three")
        crowd.until(
            lambda: "quorum_even" not in crowd.grape_docker("--json", "status"), SOON_S, "nobody is warned of three"
        )
        crowd.power("off", "worker-0-1", "--wait")
        crowd.until(lambda: managers(crowd) == ["master", "worker-0-0"], SOON_S, "one was demoted, and has left")
        crowd.until(lambda: not crowd.entries("worker-0-1"), SOON_S, "its entry has gone")
        crowd.power("on", "worker-0-1", "--wait=up")
        crowd.until(lambda: managers(crowd) == ["master", "worker-0-0", "worker-0-1"], SOON_S, "it is a manager again")
    finally:
        crowd.cli("node", "role", "default", CHOSEN)
    crowd.until(lambda: managers(crowd) == ["master"], SOON_S, "the master is alone again")
    crowd.until(crowd.ready, SOON_S, "and all are ready")


def managers(crowd: Crowd) -> list[str]:
    """The managers that the others reach, by host name."""
    return sorted(
        entry.hostname
        for entry in crowd.entries()
        if entry.role == "manager" and (entry.state == "ready" or entry.address == MASTER)
    )
