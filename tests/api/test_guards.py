"""Lifecycle guards over the API: registered, asked over the event stream, told, released, removed, lapsed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pydantic import TypeAdapter

from graped import errors
from graped.api import types
from graped.api.client import ApiError, Client
from tests.api.conftest import Served


def register(client: Client, nodes: object = "worker-0-[0-1]", lease_s: float = 60, name: str = "docker") -> Any:
    return client.post("/v1/guards", {"name": name, "nodes": nodes, "lease_s": lease_s})


def power(client: Client, verb: str, nodes: str, **how: object) -> Any:
    return client.post("/v1/power", {"nodes": nodes, "verb": verb, **how})


def ended(client: Client, job: Any, wait_s: float = 5.0) -> Any:
    return client.get(f"/v1/jobs/{job['id']}", wait_s=wait_s, until="ended")


@pytest.fixture
def running(client: Client) -> Client:
    """worker-0-[0-2] are on."""
    ended(client, power(client, "on", "worker-0-[0-2]"))
    return client


def test_what_a_guard_is_told_and_tells(served: Served, running: Client) -> None:
    """The whole conversation, as a client has it: asked on the stream, tells, releases; whoever waits sees it."""
    client = running
    guard = register(client)
    adapter = TypeAdapter(types.Guard)
    assert adapter.dump_python(adapter.validate_python(guard), mode="json") == guard
    assert (guard["folded"], guard["lease_s"], guard["holding"]) == ("worker-0-[0-1]", 60.0, [])
    heard: list[Any] = []
    with served.client() as listener:
        job = power(client, "off", "worker-0-[0-2]")
        for event in listener.stream("/v1/events/stream", kind="guard", after=0):
            heard.append(event)
            if [one["kind"] for one in heard].count("guard.asked") == 2:
                break
    asked = heard[-1]
    assert (asked["job"], asked["node"]) == (job["id"], "worker-0-1")
    assert asked["fields"] | {"deadline": ""} == {"guards": ["docker"], "verb": "off", "deadline": ""}
    (guard,) = client.get("/v1/guards")
    assert [hold["node"] for hold in guard["holding"]] == ["worker-0-0", "worker-0-1"]
    assert guard["holding"][1]["deadline"] == asked["fields"]["deadline"]
    for node, note in (("worker-0-0", "draining 4 tasks"), ("worker-0-1", "draining 1 task")):
        client.post("/v1/guards/docker/tell", {"node": node, "job": job["id"], "note": note})
    told = client.get(f"/v1/jobs/{job['id']}")
    assert [(task["step"], task["reason"]) for task in told["tasks"]][:2] == [
        ("guards", "draining 4 tasks"), ("guards", "draining 1 task"),
    ]  # fmt: skip
    for node in ("worker-0-0", "worker-0-1"):
        client.post("/v1/guards/docker/release", {"node": node, "job": job["id"], "note": "drained"})
    told = ended(client, job)
    assert told["outcome"] == "done"
    assert [task["way"][0] for task in told["tasks"]] == ["guards: docker: drained"] * 2 + ["guards: none registered"]
    assert client.get("/v1/guards")[0]["holding"] == []


def test_a_guard_whose_owner_died_holds_until_its_lease_is_over(running: Client) -> None:
    register(running, lease_s=1)
    job = power(running, "off", "worker-0-0")
    assert ended(running, job, wait_s=0.5)["outcome"] == "running"
    told = ended(running, job)
    assert told["tasks"][0]["way"][0] == "guards: docker: its lease is over"
    assert running.get("/v1/guards") == []
    with pytest.raises(errors.NotFound):
        running.post("/v1/guards/docker/release", {"node": "worker-0-0", "job": job["id"]})


def test_registering_again_renews_the_lease_and_keeps_what_it_holds(running: Client) -> None:
    register(running, lease_s=1)
    job = power(running, "off", "worker-0-0")
    threading.Event().wait(0.6)
    renewed = register(running, "@stack:0", lease_s=2)
    assert [hold["job"] for hold in renewed["holding"]] == [job["id"]]
    assert ended(running, job, wait_s=1)["outcome"] == "running"
    assert register(running, ["worker-1-0"])["holding"] == []  # a node that it looks after no more is let go of
    assert ended(running, job)["tasks"][0]["way"][0] == "guards: docker: looks after it no more"


@pytest.mark.parametrize("nodes", ["", [], "@up"])
def test_a_guard_of_no_node_holds_nothing(running: Client, nodes: object) -> None:
    assert register(running, nodes)["nodes"] == []
    assert ended(running, power(running, "off", "worker-0-0"))["tasks"][0]["way"][0] == "guards: none registered"


def test_a_removed_guard_lets_go(running: Client) -> None:
    register(running)
    job = power(running, "cycle", "worker-0-0")
    gone = running.delete("/v1/guards/docker")
    assert [(hold["node"], hold["verb"]) for hold in gone["holding"]] == [("worker-0-0", "cycle")]
    assert ended(running, job)["tasks"][0]["way"][0] == "guards: docker: was removed"
    with pytest.raises(errors.NotFound):
        running.delete("/v1/guards/docker")


def test_force_and_cancel_are_told_to_the_guard(running: Client) -> None:
    register(running)
    polite = power(running, "off", "worker-0-0")
    running.post(f"/v1/jobs/{polite['id']}/cancel")
    assert ended(running, power(running, "off", "worker-0-0", force=True))["outcome"] == "done"
    kinds = [event["kind"] for event in running.get("/v1/events", kind="guard")]
    assert sorted(kinds) == ["guard.asked", "guard.called_off", "guard.registered", "guard.skipped"]


def test_a_plan_says_who_holds_it(running: Client) -> None:
    register(running)
    steps = running.post("/v1/power/plan", {"nodes": "worker-0-0", "verb": "off"})["steps"]
    assert steps[0]["note"] == "after guard docker (at most 120 s)"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "docker", "nodes": "worker-9-9", "lease_s": 5}, "unknown_node"),
        ({"name": "docker", "nodes": "]", "lease_s": 5}, "bad_nodeset"),
        ({"name": "docker", "nodes": "@all", "lease_s": 0.5}, "bad_request"),
        ({"name": "docker", "nodes": "@all", "lease_s": 301}, "bad_request"),
        ({"name": "Docker\n", "nodes": "@all", "lease_s": 5}, "bad_request"),
    ],
)
def test_what_is_no_guard_is_refused(client: Client, body: object, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        client.post("/v1/guards", body)
    assert refused.value.code == code
    assert client.get("/v1/guards") == []


def test_a_word_about_what_it_does_not_hold_is_refused(running: Client) -> None:
    register(running)
    job = power(running, "off", "worker-0-0")
    for node, number, note in (
        ("worker-0-1", job["id"], ""), ("worker-0-0", job["id"] + 1, ""), ("worker-0-0", job["id"], "\x1b[2J"),
    ):  # fmt: skip
        with pytest.raises(ApiError) as refused:
            running.post("/v1/guards/docker/tell", {"node": node, "job": number, "note": note})
        assert refused.value.status == (422 if note else 409)
    assert ended(running, job, wait_s=0.1)["tasks"][0]["reason"] == "waits for guard docker"


def test_there_is_room_for_so_many(client: Client) -> None:
    for number in range(32):
        register(client, name=f"guard-{number}")
    with pytest.raises(errors.Conflict):
        register(client)
    register(client, name="guard-0")
