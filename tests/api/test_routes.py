"""What each route answers, over a real socket."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from graped import errors
from graped.api import bodies, types
from graped.api.client import ApiError, Client
from graped.model import SlotId, Stage
from tests.api.conftest import Served, serving
from tests.api.rack import Rack, config_of


def _fits(kind: Any, value: object) -> None:
    """Every answer is what the contract says, with no field more or less."""
    adapter = TypeAdapter(kind)
    assert adapter.dump_python(adapter.validate_python(value), mode="json") == value


def _on(client: Client, nodes: str) -> dict[str, Any]:
    job = client.post("/v1/power", {"nodes": nodes, "verb": "on"})
    return client.get(f"/v1/jobs/{job['id']}", wait_s=5, until="ended")  # type: ignore[no-any-return]


def test_status_is_the_whole_cluster(served: Served, client: Client) -> None:
    _on(client, "worker-0-[0-1]")
    status = client.get("/v1/status")
    _fits(types.Status, status)
    assert (status["cluster"], status["simulated"], status["revision"]) == ("test", True, served.rack.state.revision)
    powers = {node["name"]: node["power"]["observed"] for node in status["nodes"]}
    assert len(powers) == 12
    assert [name for name, power in powers.items() if power == "on"] == ["worker-0-0", "worker-0-1"]
    assert status["stacks"][0]["expected_watts"] == 14.0
    assert status["stacks"][0]["meters"]["voltage"]["value"] == 5100
    assert status["stacks"][0]["meters_missing"] == {"temperature": "no answer"}


def test_kept_bytes_never_hide_a_change(served: Served, client: Client) -> None:
    for number in range(6):
        assert client.get("/v1/nodes")[number]["power"]["observed"] == "off"
        _on(client, f"worker-0-{number}")
        assert client.get("/v1/nodes")[number]["power"]["observed"] == "on"
        served.do(lambda value=number: served.rack.meter(0, 5000 + value))
        assert client.get("/v1/stacks")[0]["meters"]["voltage"]["value"] == 5000 + number
        assert client.get("/v1/status")["stacks"] == client.get("/v1/stacks")


def test_an_old_reading_says_so(served: Served, client: Client) -> None:
    served.do(lambda: served.rack.meter(1, 5000, age_s=16.0))
    assert [one["meters"]["voltage"]["stale"] for one in client.get("/v1/meters")] == [False, True]


def test_lost_stack_is_unknown_with_its_reason(served: Served, client: Client) -> None:
    _on(client, "worker-0-0")
    served.do(lambda: served.rack.lose(1))
    groups = client.get("/v1/power", nodes="@slots")
    _fits(list[types.PowerGroup], groups)
    assert [(group["state"], group["folded"]) for group in groups] == [
        ("on", "worker-0-0"),
        ("off", "worker-0-[1-5]"),
        ("unknown", "worker-1-[0-5]"),
    ]
    assert groups[2]["reason"].startswith("stack 1: no answer since ")
    node = client.get("/v1/nodes/worker-1-2")
    _fits(types.Node, node)
    assert node["power"]["observed"] == "unknown"
    assert node["power"]["fault"]["message"] == "no answer"


def test_nodes_and_nodesets(client: Client) -> None:
    assert [node["name"] for node in client.get("/v1/nodes", nodes="worker-1-[0-1]")] == ["worker-1-0", "worker-1-1"]
    assert client.get("/v1/nodes", nodes="@on") == []
    found = client.get("/v1/nodeset", nodes="@all!@stack:1")
    assert (found["folded"], len(found["names"])) == ("worker-0-[0-4]", 5)
    with pytest.raises(errors.UnknownNode) as raised:
        client.get("/v1/nodes/worker-0-9")
    assert isinstance(raised.value, ApiError)
    assert raised.value.status == 404


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd grape_docker"


def test_how_a_node_is_met_by_ssh(client: Client) -> None:
    found = client.get("/v1/nodes/worker-0-1/ssh")
    _fits(types.NodeSsh, found)
    assert found["why"] == "it has no address"
    with pytest.raises(errors.UnknownNode):
        client.get("/v1/nodes/worker-0-9/ssh")


def test_keys_of_clients(client: Client) -> None:
    made = client.post("/v1/keys", {"name": "grape_docker", "public_key": KEY})
    _fits(types.ClientKey, made)
    assert client.get("/v1/keys") == [made]
    job = client.post("/v1/keys/grape_docker/install", {"nodes": "worker-0-[3-4]"})
    job = client.get(f"/v1/jobs/{job['id']}", wait_s=10, until="ended")
    assert (job["kind"], job["outcome"]) == ("node.keys", "completed_with_errors")
    assert [(task["result"], task["reason"]) for task in job["tasks"]] == [
        ("done", "added"), ("failed", "worker-0-4 lets nobody in"),
    ]  # fmt: skip
    assert client.delete("/v1/keys/grape_docker") == made
    with pytest.raises(errors.NotFound):
        client.delete("/v1/keys/grape_docker")
    with pytest.raises(errors.NotFound):
        client.post("/v1/keys/x/install", {"nodes": "@all"})


@pytest.mark.parametrize("line", ['command="sh" ' + KEY, "ssh-ed25519 AAAA", "a\nb", KEY + "\n" + KEY, ""])
def test_what_is_no_public_key_is_refused(client: Client, line: str) -> None:
    with pytest.raises(errors.RequestError):
        client.post("/v1/keys", {"name": "x", "public_key": line})
    assert client.get("/v1/keys") == []


def test_plan_does_nothing(served: Served, client: Client) -> None:
    _on(client, "worker-0-0")
    plan = client.post("/v1/power/plan", {"nodes": "@stack:0", "verb": "off"})
    _fits(types.PowerPlan, plan)
    assert plan["running"] == ["worker-0-0"]
    assert plan["folded"] == "worker-0-[0-4]"
    assert served.rack.state.slots[SlotId(0, 0)].observed == "on"


def test_power_is_a_job_with_its_asker(served: Served, client: Client) -> None:
    job = _on(client, "worker-1-[0-2]")
    _fits(types.Job, job)
    assert (job["outcome"], job["folded"]) == ("done", "worker-1-[0-2]")
    assert job["by"].startswith("uid ")
    assert " pid " in job["by"]
    assert served.rack.ports[1] == 0xFF & ~(1 << 1 | 1 << 6 | 1 << 3)
    logged = [event for event in client.get("/v1/events", kind="job") if event["job"] == job["id"]]
    assert logged[0]["fields"]["request_id"] == job["request_id"]


def test_names_that_a_plan_expanded(client: Client) -> None:
    plan = client.post("/v1/power/plan", {"nodes": "@stack:0", "verb": "on"})
    job = client.post("/v1/power", {"nodes": plan["names"], "verb": "on"})
    assert job["folded"] == "worker-0-[0-4]"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"nodes": "@on", "verb": "off"}, 409, "no_target"),
        ({"nodes": [], "verb": "off"}, 422, "bad_request"),
        ({"nodes": "", "verb": "off"}, 422, "no_target"),
        ({"nodes": "worker-0-[", "verb": "off"}, 422, "bad_nodeset"),
        ({"nodes": "nobody", "verb": "off"}, 404, "unknown_node"),
        ({"nodes": "@all", "verb": "toggle"}, 422, "bad_request"),
        ({"nodes": "@all", "verb": "off", "forse": True}, 422, "bad_request"),
        ({"nodes": "@all", "verb": "off", "force": "yes"}, 422, "bad_request"),
        ({"nodes": "@all", "verb": "cycle", "off_s": -1}, 422, "bad_request"),
        ({"verb": "off"}, 422, "bad_request"),
        (None, 422, "bad_request"),
    ],
)
def test_a_wrong_request_switches_nothing(served: Served, client: Client, body: object, status: int, code: str) -> None:
    with pytest.raises(ApiError) as raised:
        client.post("/v1/power", body)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert served.rack.state.jobs == {}


def test_what_is_wrong_with_a_body_is_told_in_plain_words(client: Client) -> None:
    with pytest.raises(ApiError) as raised:
        client.post("/v1/power", {"nodes": [], "verb": "on"})
    assert all("constrained" not in problem for problem in raised.value.problems)


def test_long_poll_ends_with_the_change(served: Served, client: Client) -> None:
    now = client.get("/v1/revision")["revision"]
    began = time.monotonic()
    assert client.get("/v1/revision", differs_from=now, wait_s=0.05)["revision"] == now
    assert time.monotonic() - began >= 0.05
    threading.Timer(0.1, lambda: served.do(lambda: served.rack.lose(0))).start()
    assert client.get("/v1/revision", differs_from=now, wait_s=20)["revision"] > now
    assert time.monotonic() - began < 15


def test_waiting_for_a_job(served: Served, client: Client) -> None:
    served.rack.held.add(0)
    job = client.post("/v1/power", {"nodes": "worker-0-0,worker-1-0", "verb": "on"})
    job = client.get(f"/v1/jobs/{job['id']}", wait_s=5, differs_from=job["version"])
    assert [task["result"] for task in job["tasks"]] == [None, "done"]
    assert [one["id"] for one in client.get("/v1/jobs", open="true")] == [job["id"]]
    threading.Timer(0.05, served.rack.held.clear).start()
    assert client.get(f"/v1/jobs/{job['id']}", wait_s=5, until="ended")["outcome"] == "done"
    assert client.get("/v1/jobs", open="true") == []


def test_a_job_can_be_cancelled_while_it_waits(served: Served, client: Client) -> None:
    served.rack.held.add(0)
    client.post("/v1/power", {"nodes": "worker-0-0", "verb": "on"})
    job = client.post("/v1/power", {"nodes": "worker-0-1", "verb": "on"})
    assert client.post(f"/v1/jobs/{job['id']}/cancel")["outcome"] == "cancelled"
    served.rack.held.clear()
    for number, kind in ((job["id"], errors.Conflict), (1, errors.Conflict), (99, errors.NotFound)):
        with pytest.raises(kind):
            client.post(f"/v1/jobs/{number}/cancel")


def test_jobs_of_yesterday(client: Client) -> None:
    job = _on(client, "worker-0-0")
    assert [one["id"] for one in client.get("/v1/jobs")] == [job["id"], 3, 2, 1]
    assert [one["id"] for one in client.get("/v1/jobs", limit=2, before=3)] == [2, 1]
    assert client.get("/v1/jobs/2")["request_id"] == "old"
    with pytest.raises(errors.NotFound):
        client.get("/v1/jobs/77")


def test_history_by_seconds_ago_and_by_date(client: Client) -> None:
    (history,) = client.get("/v1/meters/history", stack=0, kind="voltage", since=300)
    _fits(types.MeterHistory, history)
    assert len(history["points"]) == 5
    day = client.get("/v1/meters/history", since="2026-01-01T00:00:00Z", until="2026-01-01T01:00:00+01:00", step_s=60)
    assert day == []  # until is since
    (long,) = client.get("/v1/meters/history", stack=0, kind="power", since="1990-01-01T00:00:00Z")
    assert len(long["points"]) <= 5001
    with pytest.raises(errors.NotFound):
        client.get("/v1/meters/history", stack=7)
    with pytest.raises(ApiError, match="zone"):
        client.get("/v1/meters/history", since="2026-01-01T00:00:00")


def test_events_by_page(served: Served, client: Client) -> None:
    for number in range(20):
        served.do(lambda n=number: served.rack.journal.append("test.counted", str(n)))
    last = client.get("/v1/events", limit=3, kind="test")
    _fits(list[types.Event], last)
    assert [event["message"] for event in last] == ["17", "18", "19"]
    before = client.get("/v1/events", limit=2, before=last[0]["id"])
    assert [event["message"] for event in before] == ["15", "16"]
    after = client.get("/v1/events", after=before[1]["id"], limit=2)
    assert after == last[:2]


def test_config_report_and_view(client: Client) -> None:
    _fits(types.ConfigView, client.get("/v1/config"))
    assert client.post("/v1/config/check")["problems"] == ["config.toml: cluster.nam: no such key"]
    assert client.post("/v1/config/reload")["needs_restart"] == ["api.socket"]


def test_simulator(client: Client) -> None:
    added = client.post("/v1/sim/faults", {"kind": "nack", "address": 57, "probability": 0.5})
    _fits(types.SimFault, added)
    assert client.get("/v1/sim/faults") == [added]
    with pytest.raises(errors.NotFound):
        client.delete("/v1/sim/faults/9")
    for _ in range(2):  # one whose time is over meanwhile is no error
        assert client.delete(f"/v1/sim/faults/{added['id']}") == []
    assert client.post("/v1/sim/knob", {"turn": -2, "press": True})["lines"] == ["test  turn -2", "pressed 1"]
    with pytest.raises(ApiError, match="kind"):
        client.post("/v1/sim/faults", {"kind": "earthquake"})


def test_real_hardware_has_no_simulator(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda: Rack(simulated=False)) as served, served.client() as client:
        assert client.get("/v1/version")["simulated"] is False
        with pytest.raises(errors.NotSimulated):
            client.get("/v1/sim/display")


def test_metrics_can_be_scraped(served: Served, client: Client) -> None:
    _on(client, "worker-0-0")
    served.do(lambda: (served.rack.lose(1), served.rack.stage(0, 0, Stage.UP)))
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(client.get("/metrics"))
        for sample in family.samples
    }
    power = {key[1:]: value for key, value in found.items() if key[0] == "grape_slot_power" and value}
    assert {key[3] for key in power if key[0] == "worker-0-0"} == {"on"}
    assert {key[3] for key in power if key[2] == "1"} == {"unknown"}
    assert found["grape_stack_up", "0"] == 1
    assert found["grape_stack_up", "1"] == 0
    assert found["grape_stack_voltage_volts", "0"] == 5.1
    assert found["grape_jobs", "done"] == 1
    assert found["grape_node_stage", "worker-0-0", "0", "0", "up"] == 1
    assert found["process_resident_memory_bytes",] > 1e6


@pytest.mark.parametrize(
    "query", ["limt=3", "limit=0", "limit=1.0", "limit=1&limit=2", "open=1", "before=-1", "limit=1_0", "open=TRUE"]
)
def test_a_wrong_query_is_refused(client: Client, query: str) -> None:
    with pytest.raises(ApiError) as raised:
        client.get(f"/v1/jobs?{query}")
    assert raised.value.status == 422
    assert raised.value.problems


def test_health_tells_the_time(client: Client) -> None:
    health = client.get("/v1/health")
    _fits(types.Health, health)
    assert health["ok"] is True
    sent = datetime.fromisoformat(client.get("/v1/status")["time"])
    assert abs((datetime.now(UTC) - sent).total_seconds()) < 5


def test_request_bodies_are_those_of_the_contract() -> None:
    for body, kind in (
        (bodies.PowerRequest, types.PowerRequest), (bodies.SimFault, types.SimFault), (bodies.SimKnob, types.SimKnob)
    ):  # fmt: skip
        assert [*body.model_fields] == [name for name in kind.__dataclass_fields__ if name != "id"]
        defaults = {name: one.default for name, one in body.model_fields.items() if not one.is_required()}
        told = {name: one.default for name, one in kind.__dataclass_fields__.items() if name in defaults}
        assert defaults == told


def test_a_thousand_slots(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda: Rack(config_of(stacks=167))) as served, served.client() as client:
        assert len(client.get("/v1/nodes")) == 1002
        began = time.process_time()
        for _ in range(50):
            client.get("/v1/nodes")
        assert (time.process_time() - began) / 50 < 0.05
        assert client.get("/v1/nodeset", nodes="@slots")["folded"] == "worker-[0-166]-[0-5]"


def test_a_role_is_set_and_shown(served: Served, client: Client) -> None:
    done = client.post("/v1/nodes/role", {"nodes": "worker-0-[0-1]", "role": "manager"})
    _fits(types.NodeSet, done)
    assert done["names"] == ["worker-0-0", "worker-0-1"]
    assert {node["name"] for node in client.get("/v1/nodes") if node["role"] == "manager"} == set(done["names"])
    client.post("/v1/nodes/role", {"nodes": ["worker-0-0"], "role": ""})
    assert client.get("/v1/nodes/worker-0-0")["role"] == "worker"


@pytest.mark.parametrize(("nodes", "role", "status"), [("worker-0-5", "worker", 409), ("worker-0-0", "leader", 422)])
def test_a_role_that_cannot_be_is_refused(served: Served, client: Client, nodes: str, role: str, status: int) -> None:
    with pytest.raises(ApiError) as refused:
        client.post("/v1/nodes/role", {"nodes": nodes, "role": role})
    assert refused.value.status == status
