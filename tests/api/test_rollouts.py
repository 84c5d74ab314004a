"""Rollouts over the socket: what bodies may say, and what the answers are."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from graped.api import rollout_types
from graped.api.client import Client
from graped.errors import GrapeError

GOOD: dict[str, Any] = {"image": "lite", "nodes": "worker-0-[0-3]"}


def fits(kind: Any, value: object) -> None:
    """Say that an answer is what the contract says, with no field more or less."""
    adapter = TypeAdapter(kind)
    assert adapter.dump_python(adapter.validate_python(value), mode="json") == value


@pytest.fixture(autouse=True)
def on(client: Client) -> None:
    client.post("/v1/power", {"nodes": "worker-0-[0-3]", "verb": "on"})
    while {node["power"]["observed"] for node in client.get("/v1/nodes")[:4]} != {"on"}:
        pass


def test_a_rollout_is_a_job_that_can_be_found_again(client: Client) -> None:
    plan = client.post("/v1/images/rollout/plan", {**GOOD, "canary": 1, "wave": 2})
    assert [wave["folded"] for wave in plan["waves"]] == ["worker-0-0", "worker-0-[1-2]", "worker-0-3"]
    job = client.post("/v1/images/rollout", GOOD)
    assert job["kind"] == "image.rollout"
    one = client.get(f"/v1/rollouts/{job['id']}")
    assert one == client.get("/v1/rollouts")[0]
    assert (one["kind"], one["status"], one["canary"], one["size"], one["health_s"]) == (
        "image.rollout", "done", 1, 4, 30.0
    )  # fmt: skip
    fits(rollout_types.Rollout, one)
    fits(rollout_types.RolloutPlan, plan)
    assert {(node["step"], node["root"]) for node in one["nodes"]} == {("passed", "new")}


def test_a_reboot_is_one_too(client: Client) -> None:
    job = client.post("/v1/reboot", {"nodes": "worker-0-[0-3]", "rolling": 2.0})
    one = client.get(f"/v1/rollouts/{job['id']}")
    assert (one["kind"], one["image"], one["waves"], one["nodes"][0]["root"]) == ("node.reboot", None, 2, None)
    with pytest.raises(GrapeError) as refused:
        client.post(f"/v1/rollouts/{job['id']}/resume", {})
    assert refused.value.code == "conflict"


@pytest.mark.parametrize(
    "wrong",
    [
        {"wave": 0}, {"canary": -1}, {"wave": 1.5}, {"health": "a\nb"}, {"health": "x" * 5000}, {"health_s": 0},
        {"when_off": "kill"}, {"image": "../x"}, {"nodes": ""}, {"more": 1}, {"failures": 2},
    ],
)  # fmt: skip
def test_what_a_body_may_not_say(client: Client, wrong: dict[str, Any]) -> None:
    for path in ("/v1/images/rollout", "/v1/images/rollout/plan"):
        with pytest.raises(GrapeError) as refused:
            client.post(path, {**GOOD, **wrong})
        assert refused.value.code in ("bad_request", "bad_nodeset", "no_target")
    assert client.get("/v1/rollouts") == []


def test_what_is_not_there(client: Client) -> None:
    for ask in (lambda: client.get("/v1/rollouts/4711"), lambda: client.post("/v1/rollouts/4711/resume", {})):
        with pytest.raises(GrapeError) as refused:
            ask()
        assert refused.value.code == "not_found"
