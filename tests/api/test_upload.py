"""Files of any length over the socket: neither held in memory nor hurried nor cut, and ended by whoever wants."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from graped import errors
from graped.api import uploading
from graped.api.client import Client
from graped.api.types import JobKindWord
from graped.core.chore import ChoreKind
from tests.api.conftest import Served, serving

HEAD = b"POST /v1/images?name=%s HTTP/1.1\r\nHost: x\r\n%s\r\n"


class Zeros(io.RawIOBase):
    """A long file that is not there."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size
        self.told = 0

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        self.told += size
        return bytes(size)


def _ended(client: Client, kind: str = "image.import") -> dict[str, Any]:
    (job,) = (job for job in client.get("/v1/jobs") if job["kind"] == kind)
    ended: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")
    return ended


def _high_water_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("this system tells no VmHWM")


@pytest.mark.parametrize("known", [True, False])
def test_a_long_file_arrives_whole_and_is_not_held(served: Served, client: Client, known: bool) -> None:
    size = 300 << 20
    told: list[int] = []
    before = _high_water_bytes()
    job = client.upload(
        "/v1/images", Zeros(size), size_bytes=size if known else None, progress=told.append, name="big"  # type: ignore[arg-type]
    )  # fmt: skip
    assert told[-1] == size
    assert told == sorted(told)
    ended = client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")
    assert client.get(f"/v1/images/{ended['result']}")["size_bytes"] == size
    assert _high_water_bytes() - before < 64 << 20  # client and daemon are one process here
    provision = served.rack.provision
    assert provision is not None
    assert provision.largest_chunk <= 1 << 20


def test_nobody_else_waits_for_an_upload(served: Served) -> None:
    slow = socket.socketpair()
    stream = slow[1].makefile("rb")
    with served.client() as one, served.client() as two:
        sending = threading.Thread(target=one.upload, args=("/v1/images", stream), kwargs={"name": "slow"})
        sending.start()
        slow[0].sendall(b"x" * 100_000)
        before = time.monotonic()
        assert two.get("/v1/health")["ok"] in (True, False)
        assert time.monotonic() - before < 8
        slow[0].close()
        sending.join(20)
        assert not sending.is_alive()
        assert _ended(two)["outcome"] == "done"
    stream.close()
    slow[1].close()


def test_a_client_that_hangs_up_fails_its_job_and_leaves_nothing(served: Served, client: Client) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(served.path))
        raw.sendall(HEAD % (b"cut", b"Content-Length: 1000000\r\n") + b"x" * 1000)
        deadline = time.monotonic() + 20
        while not client.get("/v1/jobs", open=True) and time.monotonic() < deadline:
            time.sleep(0.01)
    ended = _ended(client)
    assert (ended["outcome"], ended["code"]) == ("failed", "bad_image")
    assert ended["reason"] == "the upload broke off after 1000 bytes"
    with pytest.raises(errors.NotFound):
        client.get("/v1/images/cut")


def test_a_client_that_says_nothing_more_is_let_go(
    served: Served, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "SILENCE_S", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(20)
        raw.connect(str(served.path))
        raw.sendall(HEAD % (b"mute", b"Content-Length: 1000000\r\n") + b"x" * 1000)
        answer = raw.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()
        while raw.recv(65536):
            pass
    assert _ended(client)["outcome"] == "failed"


def test_a_file_that_is_no_image_is_not_read_to_its_end(client: Client) -> None:
    class Bad(Zeros):
        def read(self, size: int = -1) -> bytes:
            return b"BAD" + super().read(size)[3:]

    stream = Bad(1 << 30)
    job = client.upload("/v1/images", stream, size_bytes=1 << 30, name="bad")  # type: ignore[arg-type]
    ended = client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")
    assert ended["code"] == "bad_image"
    assert stream.told < 100 << 20
    assert client.get("/v1/health")


def test_a_cancelled_import_ends_its_upload(served: Served) -> None:
    read, write = os.pipe()
    answers: list[Any] = []
    with served.client() as one, served.client() as two, os.fdopen(read, "rb", buffering=0) as stream:
        sending = threading.Thread(target=lambda: answers.append(one.upload("/v1/images", stream, name="slow")))
        sending.start()
        os.write(write, b"x" * 1000)
        deadline = time.monotonic() + 20
        while not (jobs := two.get("/v1/jobs", open=True)) and time.monotonic() < deadline:
            time.sleep(0.01)
        two.post(f"/v1/jobs/{jobs[0]['id']}/cancel")
        assert _ended(two)["outcome"] == "cancelled"
        os.write(write, b"more")  # the sender sees it with its next piece
        os.close(write)
        sending.join(20)
        assert not sending.is_alive()
    assert answers[0]["outcome"] == "cancelled"


def test_a_stop_ends_uploads(tmp_path: Path) -> None:
    with serving(tmp_path / "s") as served, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.connect(str(served.path))
        raw.sendall(HEAD % (b"late", b"Content-Length: 1000000\r\n") + b"x" * 1000)
        with served.client() as client:
            deadline = time.monotonic() + 20
            while not client.get("/v1/jobs", open=True) and time.monotonic() < deadline:
                time.sleep(0.01)
        before = time.monotonic()
        served.stop()
        assert time.monotonic() - before < 15


@pytest.mark.parametrize("head", [b"", b"Content-Length: 0\r\n"])
def test_nothing_is_no_file(served: Served, head: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(20)
        raw.connect(str(served.path))
        raw.sendall(HEAD % (b"empty", head))
        assert raw.recv(65536).startswith(b"HTTP/1.1 422 ")


def test_kinds_of_the_core_are_those_of_the_contract() -> None:
    assert {"power", *map(str, ChoreKind)} == set(get_args(JobKindWord))
