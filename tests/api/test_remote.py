"""Commands and files on nodes over the wire."""

from __future__ import annotations

import io
import threading
import time

import pytest

from graped.api.client import ApiError
from tests.api.conftest import Served


def test_a_run_is_a_job_whose_results_are_waited_for(served: Served) -> None:
    remote, client = served.rack.operations.remote, served.client()
    remote.held.clear()
    job = client.post("/v1/run", {"nodes": "worker-0-[0-1]", "command": "date", "stdin": "aGk=", "timeout_s": 5})
    assert (job["kind"], job["outcome"]) == ("node.run", "queued")
    path = f"/v1/jobs/{job['id']}/results"
    assert client.get(path) == {"job": job["id"], "nodes": [], "last": 0, "total": 2, "ended": False, "kept": True}
    began = time.monotonic()
    threading.Timer(0.3, remote.held.set).start()
    told = client.get(path, wait_s=20)
    assert 0.25 < time.monotonic() - began < 15
    while not told["ended"]:
        told = client.get(path, after=told["last"], wait_s=20)
    assert sorted(node["name"] for node in client.get(path)["nodes"]) == ["worker-0-0", "worker-0-1"]
    assert client.get(path, after=2)["nodes"] == []
    assert remote.asked == [("date", b"hi", 5.0, 32)]


@pytest.mark.parametrize(
    "wrong", [{"command": ""}, {"command": "a\0b"}, {"stdin": "!"}, {"stdin": "a"}, {"timeout_s": 0}, {"fanout": 0}]
)
def test_what_cannot_be_run_is_refused(served: Served, wrong: dict[str, object]) -> None:
    with pytest.raises(ApiError) as refused:
        served.client().post("/v1/run", {"nodes": "worker-0-0", "command": "true", **wrong})
    assert refused.value.status == 422


def test_no_job_and_a_job_without_results(served: Served) -> None:
    client = served.client()
    with pytest.raises(ApiError) as refused:
        client.get("/v1/jobs/99/results")
    assert refused.value.status == 404
    job = client.post("/v1/power", {"nodes": "worker-0-0", "verb": "on"})
    told = client.get(f"/v1/jobs/{job['id']}/results", wait_s=5)
    assert (told["kept"], told["ended"], told["nodes"]) == (False, True, [])


@pytest.mark.parametrize("to", ["relative", "/folder/", "/a\nb", "/"])
def test_a_file_needs_a_whole_path(served: Served, to: str) -> None:
    with pytest.raises(ApiError) as refused:
        served.client().upload("/v1/copy", io.BytesIO(b"x"), size_bytes=1, nodes="worker-0-0", to=to)
    assert refused.value.status == 422


def test_a_file_of_unknown_length_arrives(served: Served) -> None:
    client = served.client()
    data = b"x" * 200_000
    job = client.upload("/v1/copy", io.BytesIO(data), nodes="worker-0-[0-1]", to="/etc/motd", mode="600")
    assert client.get(f"/v1/jobs/{job['id']}", wait_s=10, until="ended")["outcome"] == "done"
    assert served.rack.operations.remote.files["worker-0-1"] == (data, "/etc/motd", 0o600)
