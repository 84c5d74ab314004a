"""What the routes of images, roots and long work answer, over a real socket."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from graped import errors
from graped.api import types
from graped.api.client import ApiError, Client
from graped.core.chore import ChoreKind
from graped.model import SlotId
from tests.api.conftest import Served, serving
from tests.api.rack import Rack


def _fits(kind: Any, value: object) -> None:
    """Every answer is what the contract says, with no field more or less."""
    adapter = TypeAdapter(kind)
    assert adapter.dump_python(adapter.validate_python(value), mode="json") == value


def _done(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    _fits(types.Job, job)
    ended: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}", wait_s=5, until="ended")
    _fits(types.Job, ended)
    return ended


def test_images_are_listed_shown_and_removed_unless_in_use(client: Client) -> None:
    images = client.get("/v1/images")
    _fits(list[types.Image], images)
    assert [one["name"] for one in images] == ["bookworm", "bookworm", "lite"]
    assert client.get("/v1/images/bookworm")["ref"] == images[1]["ref"]
    used = client.get(f"/v1/images/{images[0]['ref']}")
    assert used["nodes"] == ["worker-0-0", "worker-0-1"]
    with pytest.raises(errors.InUse):
        client.delete(f"/v1/images/{used['ref']}")
    assert client.delete("/v1/images/lite")["ref"] == images[2]["ref"]
    with pytest.raises(errors.NotFound, match="lite"):
        client.get("/v1/images/lite")


def test_an_import_is_a_job_that_knows_who_asked(served: Served, client: Client) -> None:
    job = client.upload("/v1/images", io.BytesIO(b"x" * 5000), size_bytes=5000, name="fresh", source="a file")
    assert job["kind"] == "image.import"
    assert job["verb"] is None
    assert job["by"].startswith("uid ")
    ended = _done(client, job)
    assert (ended["outcome"], ended["subject"]) == ("done", "fresh")
    assert ended["progress"]["total"] == 5000
    made = client.get(f"/v1/images/{ended['result']}")
    assert (made["size_bytes"], made["source"]) == (5000, "a file")
    kinds = [event["kind"] for event in client.get("/v1/events", kind="image")]
    assert kinds == ["image.import.begun", "image.import.done"]


def test_an_import_of_unknown_length_has_no_total(client: Client) -> None:
    ended = _done(client, client.upload("/v1/images", io.BytesIO(b"x" * 5000), name="fresh"))
    assert (ended["outcome"], ended["progress"]["total"]) == ("done", None)


def test_a_file_that_is_no_image_fails_its_job_with_code_and_hint(client: Client) -> None:
    ended = _done(client, client.upload("/v1/images", io.BytesIO(b"BAD" * 100), name="fresh"))
    assert (ended["outcome"], ended["code"]) == ("failed", "bad_image")
    assert (ended["reason"], ended["hint"]) == ("this is no image", "Give a tar or a disk image.")


@pytest.mark.parametrize("name", ["diff", "-", "a/b", "..", "a@b", ""])
def test_a_name_that_is_none_is_refused_before_a_byte_is_sent(client: Client, name: str) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    with pytest.raises(errors.RequestError):
        client.upload("/v1/images", Unread(), size_bytes=10, name=name)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/images/bookworm/verify", None, "image.verify"),
        ("/v1/images/bookworm/prepare", None, "image.prepare"),
        ("/v1/images/bookworm/exec", {"argv": ["apt-get", "update"]}, "image.exec"),
        ("/v1/nodes/worker-0-1/commit", {"name": "mine"}, "image.commit"),
        ("/v1/nodes/set", {"nodes": "worker-0-[0-1]", "image": "lite", "model": ""}, "node.set"),
        ("/v1/nodes/reset", {"nodes": ["worker-0-0"]}, "node.reset"),
        ("/v1/nodes/snapshot", {"nodes": "worker-0-0", "label": "a"}, "node.snapshot"),
        ("/v1/nodes/rollback", {"nodes": "worker-0-0", "label": None}, "node.rollback"),
        ("/v1/nodes/drop", {"nodes": "worker-0-0", "label": "a"}, "node.drop"),
    ],
)
def test_what_takes_long_is_a_job(client: Client, path: str, body: object, kind: str) -> None:
    ended = _done(client, client.post(path, body))
    assert (ended["kind"], ended["outcome"]) == (kind, "done")
    assert ended["id"] in [job["id"] for job in client.get("/v1/jobs")]


def test_set_leaves_what_is_not_named(served: Served, client: Client) -> None:
    _done(client, client.post("/v1/nodes/set", {"nodes": "worker-0-3", "image": "lite", "model": ""}))
    provision = served.rack.provision
    assert provision is not None
    assert provision.set == [((SlotId(0, 3),), types.NodeChanges(image="lite", model=""))]
    root = client.get("/v1/nodes/worker-0-3/root")
    _fits(types.Root, root)
    assert root["image"].startswith("lite@")


def test_each_node_has_a_result_of_its_own(client: Client) -> None:
    ended = _done(client, client.post("/v1/nodes/reset", {"nodes": "worker-0-[1-2]"}))
    assert ended["outcome"] == "completed_with_errors"
    assert ended["folded"] == "worker-0-[1-2]"
    assert [(task["name"], task["result"]) for task in ended["tasks"]] == [
        ("worker-0-1", "done"),
        ("worker-0-2", "failed"),
    ]
    assert ended["tasks"][1]["reason"] == "it has no root"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/nodes/set", {"nodes": "worker-0-0"}, "bad_request"),
        ("/v1/nodes/set", {"nodes": "worker-0-0", "image": None}, "bad_request"),
        ("/v1/nodes/set", {"nodes": "worker-0-0", "strategy": "zfs"}, "bad_request"),
        ("/v1/nodes/set", {"nodes": "", "image": "lite"}, "no_target"),
        ("/v1/nodes/set", {"nodes": "@on", "image": "lite"}, "no_target"),
        ("/v1/nodes/reset", {"nodes": "worker-9-9"}, "unknown_node"),
        ("/v1/nodes/snapshot", {"nodes": "worker-0-0"}, "bad_request"),
        ("/v1/nodes/worker-0-5/commit", {"name": "x"}, "not_found"),
        ("/v1/images/nothing/verify", None, "not_found"),
        ("/v1/images/bookworm/exec", {"argv": []}, "bad_request"),
        ("/v1/images/bookworm/exec", {"argv": ["a\0b"]}, "bad_request"),
        ("/v1/workspaces/w9/commit", {}, "not_found"),
    ],
)
def test_a_wrong_request_is_refused(client: Client, path: str, body: object, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        client.post(path, body)
    assert refused.value.code == code


def test_a_running_node_is_not_snapshotted(client: Client) -> None:
    job = client.post("/v1/power", {"nodes": "worker-0-0", "verb": "on"})
    client.get(f"/v1/jobs/{job['id']}", wait_s=5, until="ended")
    with pytest.raises(errors.NodeOn):
        client.post("/v1/nodes/snapshot", {"nodes": "worker-0-0", "label": "a"})


def test_workspaces(client: Client) -> None:
    one, two = (client.post("/v1/images/bookworm/workspace") for _ in range(2))
    assert client.get("/v1/workspaces") == [one, two]
    _fits(types.Workspace, one)
    ended = _done(client, client.post(f"/v1/workspaces/{one['id']}/commit", {"name": "mine"}))
    assert ended["result"].startswith("mine@")
    assert client.delete(f"/v1/workspaces/{two['id']}") == two
    assert client.get("/v1/workspaces") == []
    with pytest.raises(errors.NotFound):
        client.delete(f"/v1/workspaces/{two['id']}")


def test_diffs_and_doctor(client: Client) -> None:
    images = client.get("/v1/images")
    changes = client.get("/v1/images/diff", old=images[0]["ref"], new=images[1]["ref"])
    _fits(list[types.Change], changes)
    assert changes == [{"kind": "changed", "path": "etc/motd", "what": "content"}]
    assert client.get("/v1/nodes/worker-0-0/diff")[0]["kind"] == "added"
    checks = client.get("/v1/doctor")
    _fits(list[types.Check], checks)
    assert [one["state"] for one in checks] == ["ok", "warning"]


def test_a_job_of_an_image_can_be_cancelled_and_waited_for(served: Served, client: Client) -> None:
    go = threading.Event()

    def work(work: Any) -> str:
        work.phase("copy", total=100)
        work.advance(40)
        while not go.wait(0.01):
            work.check()
        return "never"

    provision = served.rack.provision
    assert provision is not None
    chore = served.do(lambda: provision.chores.start(ChoreKind.IMAGE_EXEC, "x", work, by="uid 0"))
    job = client.get(f"/v1/jobs/{chore.id}")
    while (job["progress"] or {}).get("done") != 40:
        job = client.get(f"/v1/jobs/{chore.id}", wait_s=5, differs_from=job["version"])
    assert job["progress"] == {"phase": "copy", "done": 40, "total": 100, "unit": "bytes"}
    client.post(f"/v1/jobs/{chore.id}/cancel")
    ended = _done(client, job)
    assert ended["outcome"] == "cancelled"
    assert ended["reason"].startswith("cancelled by uid ")
    with pytest.raises(errors.Conflict):
        client.post(f"/v1/jobs/{chore.id}/cancel")


def test_what_a_command_writes_is_told_as_it_comes(served: Served, client: Client) -> None:
    provision = served.rack.provision
    assert provision is not None
    provision.may_go.clear()
    job = client.post("/v1/images/lite/exec", {"argv": ["echo", "one", "two"]})
    path = f"/v1/jobs/{job['id']}/output"
    told = client.get(path, wait_s=5)
    _fits(types.JobOutput, told)
    assert told == {"lines": ["one"], "last": 1, "left_out": 0, "ended": False}
    began = time.monotonic()
    assert client.get(path, after=1, wait_s=0.3)["lines"] == []
    assert time.monotonic() - began >= 0.3
    provision.may_go.set()
    assert client.get(path, after=1, wait_s=5)["lines"] == ["two"]
    _done(client, job)
    assert client.get(path, after=2, wait_s=5) == {"lines": [], "last": 2, "left_out": 0, "ended": True}
    assert client.get(path)["lines"] == ["one", "two"]


def test_lines_that_are_not_kept_are_counted(client: Client) -> None:
    job = client.post("/v1/images/lite/exec", {"argv": ["seq", "1500"]})
    _done(client, job)
    told = client.get(f"/v1/jobs/{job['id']}/output", after=100)
    assert (told["left_out"], told["lines"][0], told["last"]) == (400, "501", 1500)


def test_a_job_without_a_command_has_written_nothing(client: Client) -> None:
    nothing = {"lines": [], "last": 0, "left_out": 0, "ended": True}
    assert client.get("/v1/jobs/1/output", wait_s=5) == nothing  # a power command of yesterday
    with pytest.raises(errors.NotFound):
        client.get("/v1/jobs/99/output")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/images"), ("GET", "/v1/images/x"), ("DELETE", "/v1/images/x"), ("GET", "/v1/doctor"),
        ("POST", "/v1/images/x/verify"), ("GET", "/v1/nodes/worker-0-0/root"), ("GET", "/v1/images/diff?old=a&new=b"),
    ],
)  # fmt: skip
def test_without_netbooting_there_is_none_of_it(tmp_path: Path, method: str, path: str) -> None:
    with serving(tmp_path / "s", lambda: Rack(netboot=False)) as served, served.client() as client:
        with pytest.raises(errors.NetbootOff) as refused:
            client._ask(method, path, {}, None)
        assert isinstance(refused.value, ApiError)
        assert (refused.value.status, refused.value.code) == (409, "netboot_off")
