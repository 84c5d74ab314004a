"""The loop against a real graped and a Docker that behaves: joins, drains, restarts of either side."""

from __future__ import annotations

import logging
import signal
import time

import pytest

from grape_docker import keeping
from grape_docker.inbox import RackTold, SwarmTold, WorkDone
from grape_docker.model import Trouble
from grape_docker.nodes.trouble import Code, NodeTrouble
from tests.docker.daemon.house import SLOTS, House, name_of, until
from tests.docker.fake_swarm import fresh

ALL = [name_of(slot) for slot in range(SLOTS)]
REACTION_S = 3.0  # 0.05 s alone on a machine; tests share it; without a message it looks every 5 s


def _up(house: House, *names: str) -> None:
    house.power("on", *names)
    for name in names:
        until(lambda name=name: house.is_in(name), f"{name} is in", 20.0)


def _tasks(house: House, name: str, count: int) -> None:
    """Have tasks run on a node; they go elsewhere when it is drained and ``_move`` says so."""
    made = house.engine.made
    made.services.append({"ID": "svc", "Spec": {"Name": "web", "Mode": {"Replicated": {}}}})
    for number in range(count):
        made.tasks.append(
            {
                "ID": fresh(),
                "ServiceID": "svc",
                "Slot": number + 1,
                "NodeID": house.nodes.ids[name],
                "Status": {"State": "running"},
                "DesiredState": "running",
                "Spec": {},
            }
        )


def test_nodes_that_come_up_are_in_the_swarm_with_their_labels(house: House) -> None:
    house.begin()
    _up(house, *ALL)
    assert [house.nodes.tried(name) for name in ALL] == [1] * SLOTS
    (entry,) = house.entries()["worker-0-2"]
    assert entry["Spec"]["Labels"]["grape.mac"] == "02:00:00:00:00:02"
    (guard,) = house.client().get("/v1/guards")
    assert set(guard["nodes"]) == set(ALL)


def test_the_join_begins_at_once_when_a_node_is_up(house: House) -> None:
    house.begin()
    until(lambda: house.client().get("/v1/guards"), "it runs")
    house.power("on", "worker-0-0")
    node = lambda: house.client().get("/v1/nodes/worker-0-0")  # noqa: E731
    until(lambda: node()["stage"] == "up", "it is up", 20.0)
    seen = time.monotonic()
    until(lambda: house.nodes.joins, "its join began")
    assert house.nodes.joins[0][1] - seen < REACTION_S


def test_a_black_hole_delays_nobody(house: House) -> None:
    house.nodes.holes.add("worker-0-0")
    house.begin()
    house.power("on", "worker-0-0")
    until(lambda: house.nodes.tried("worker-0-0"), "it was tried")
    _up(house, *ALL[1:])
    assert house.nodes.tried("worker-0-0") == 1
    assert "worker-0-0" not in house.entries()


def test_a_node_that_fails_is_tried_once_in_its_back_off(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "grape_docker")
    house.nodes.faults["worker-0-0"] = NodeTrouble(Code.DISK, "/var/lib/docker is full", hint="make room")
    house.begin()
    house.power("on", "worker-0-0")
    until(lambda: house.nodes.tried("worker-0-0") >= 3, "it was tried again", 20.0)
    first, second, third, *_ = (at for _, at in house.nodes.joins)
    assert second - first >= 0.5
    assert third - second >= 1.0
    troubles = keeping.load_status(house.state)["troubles"]
    assert [(one["name"], one["code"]) for one in troubles] == [("worker-0-0", "disk_full")]
    assert sum("/var/lib/docker is full" in one for one in caplog.messages) == 1, "said once"
    del house.nodes.faults["worker-0-0"]
    until(lambda: house.is_in("worker-0-0"), "healed by itself")
    until(lambda: not keeping.load_status(house.state)["troubles"], "and the trouble is over")
    assert any("over after" in one for one in caplog.messages)


def test_what_fails_while_the_configuration_changes_is_over_when_it_is(house: House) -> None:
    house.nodes.holes.add("worker-0-0")
    house.nodes.faults["worker-0-0"] = NodeTrouble(Code.DISK, "/var/lib/docker is full")
    house.begin()
    house.power("on", "worker-0-0")
    until(lambda: house.nodes.tried("worker-0-0"), "it was tried", 20.0)
    with house.engine.lock:  # the loop waits for Docker, and then hears all of this at once
        house.inbox.put(SwarmTold(kind="node"))
        time.sleep(0.5)
        house.inbox.put(RackTold(kind="config.reloaded"))
        house.nodes.freed.set()
        time.sleep(0.5)
    until(lambda: keeping.load_status(house.state)["troubles"], "it is told")
    del house.nodes.faults["worker-0-0"]
    until(lambda: house.is_in("worker-0-0"), "healed by itself")
    until(lambda: not keeping.load_status(house.state)["troubles"], "and the trouble is over")


def test_what_failed_last_on_a_node_that_is_configured_no_more_is_not_told_for_ever(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    trouble = Trouble(name="worker-9-9", code="ssh", message="it is not there", since=time.time())
    house.inbox.put(WorkDone(name="worker-9-9", trouble=trouble))
    _up(house, "worker-0-1")
    until(lambda: not keeping.load_status(house.state)["troubles"], "nothing is wrong")


def test_a_node_is_drained_leaves_and_goes_off(house: House) -> None:
    house.begin()
    _up(house, *ALL[:2])
    _tasks(house, "worker-0-0", 3)
    job = house.power("off", "worker-0-0")
    until(lambda: house.entries()["worker-0-0"][0]["Spec"]["Availability"] == "drain", "drained")
    until(lambda: "3 tasks" in house.job(job)["tasks"][0]["reason"], "and told")
    assert house.job(job)["outcome"] == "running"
    for task in house.engine.made.tasks:
        task["Status"]["State"] = task["DesiredState"] = "shutdown"
    until(lambda: house.job(job)["outcome"] == "done", "its power went")
    assert house.nodes.leaves == ["worker-0-0"]
    until(lambda: "worker-0-0" not in house.entries(), "its entry is gone")
    _up(house, "worker-0-0")
    assert house.is_in("worker-0-1")


def test_a_cycle_keeps_the_entry_and_force_asks_nobody(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    before = house.nodes.ids["worker-0-0"]
    job = house.power("cycle", "worker-0-0")
    until(lambda: house.job(job)["outcome"] == "done", "cycled", 20.0)
    until(lambda: house.is_in("worker-0-0"), "it is back, and takes tasks", 20.0)
    assert house.nodes.ids["worker-0-0"] == before
    _tasks(house, "worker-0-0", 1)
    job = house.power("off", "worker-0-0", force=True)
    until(lambda: house.job(job)["outcome"] == "done", "at once")


def test_docker_away_holds_no_longer_than_the_deadline(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    house.docker.stop()
    job = house.power("off", "worker-0-0")
    until(lambda: "does not answer" in house.job(job)["tasks"][0]["reason"], "told")
    house.docker.start()
    until(lambda: house.job(job)["outcome"] == "done", "drained, and off", 15.0)


def test_graped_is_killed_and_comes_back(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    house.graped.stop(signal.SIGKILL)
    house.graped.start()
    until(lambda: house.client().get("/v1/guards"), "registered again")
    until(lambda: "worker-0-0" in house.client().get("/v1/guards")[0]["nodes"], "for the node")
    _up(house, "worker-0-1")


def test_it_begins_before_graped_and_docker_are_there(house: House) -> None:
    house.graped.stop()
    house.docker.stop()
    house.begin()
    until(lambda: keeping.load_status(house.state).get("troubles"), "it says so")
    house.docker.start()
    house.graped.start()
    _up(house, "worker-0-0")
    until(lambda: not keeping.load_status(house.state)["troubles"], "all is well")


def test_what_is_known_outlives_it(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    own = house.nodes.ids["worker-0-0"]
    house.end()
    assert house.ended == [0]
    assert house.client().get("/v1/guards") == [], "it looks after nobody any more"
    assert keeping.load_known(house.state)["worker-0-0"].own_id == own
    phantom = house.engine.add_node("worker-0-0", state="down")
    house.begin()
    until(lambda: phantom not in house.engine.made.nodes, "the phantom goes, not the node")
    assert house.is_in("worker-0-0")
    assert house.nodes.tried("worker-0-0") == 1


def test_killed_while_it_holds_and_started_again_it_goes_on_draining(house: House) -> None:
    house.begin()
    _up(house, "worker-0-0")
    _tasks(house, "worker-0-0", 1)
    job = house.power("off", "worker-0-0")
    until(lambda: "1 task" in house.job(job)["tasks"][0]["reason"], "draining")
    house.kill()
    house.begin()
    house.engine.made.tasks.clear()
    until(lambda: house.job(job)["outcome"] == "done", "off")
    assert house.nodes.leaves == ["worker-0-0"]


def test_once_does_what_can_be_done_and_ends(house: House) -> None:
    house.nodes.faults["worker-0-1"] = NodeTrouble(Code.DISK, "full")
    house.power("on", "worker-0-0", "worker-0-1")
    for name in ALL[:2]:
        until(lambda name=name: house.client().get(f"/v1/nodes/{name}")["stage"] == "up", "up", 20.0)
    house.begin(once=True)
    house.thread.join(40)
    assert house.ended == [1], "one is not as it should be"
    assert house.is_in("worker-0-0")
    assert house.client().get("/v1/guards") == []
