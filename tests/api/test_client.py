"""The client: what it raises, what it reuses, and how it follows a stream."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped import errors
from graped.api.client import ApiError, Client, api_error
from tests.api.conftest import Served, serving


def test_nobody_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "dead"):
        if path.name == "dead":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
                dead.bind(str(path))
        with pytest.raises(errors.Unreachable) as raised:
            Client(path).get("/v1/status")
        assert "systemctl start graped" in raised.value.hint
        assert str(path) in raised.value.detail


def test_no_access_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def __init__(self, *_: int) -> None: ...
        def settimeout(self, seconds: float) -> None: ...
        def close(self) -> None: ...
        def connect(self, address: str) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("graped.api.connection._socket.socket", Closed)
    with pytest.raises(errors.AccessDenied) as raised:
        Client(tmp_path / "s").get("/v1/status")
    assert "group grape" in raised.value.hint


def test_socket_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPE_SOCKET", raising=False)
    assert Client().socket_path == "/run/grape/graped.sock"
    monkeypatch.setenv("GRAPE_SOCKET", "/tmp/other")
    assert Client().socket_path == "/tmp/other"


def test_an_error_is_of_both_families() -> None:
    told = {"code": "shared_relay", "title": "T", "detail": "D", "hint": "H", "request_id": "r", "problems": ["p"]}
    error = api_error(409, told)
    assert isinstance(error, ApiError)
    assert isinstance(error, errors.SharedRelay)
    assert isinstance(error, errors.Conflict)
    assert (error.code, error.title, error.detail, error.hint) == ("shared_relay", "T", "D", "H")
    assert (error.status, error.problems, error.request_id) == (409, ("p",), "r")
    strange = api_error(418, {"code": "of_a_later_version", "detail": "D"})
    assert (type(strange).__mro__[1], strange.code) == (ApiError, "of_a_later_version")
    assert api_error(500, {}).code == "internal"


def test_one_connection_for_many_questions(served: Served, client: Client) -> None:
    client.get("/v1/version")
    first = client._connection
    for _ in range(3):
        client.get("/v1/nodes")
    assert client._connection is first


def test_a_connection_grown_cold_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "s"
    client = Client(path)
    for _ in range(2):
        with serving(path):
            assert client.get("/v1/version")["api"] == "v1"
    with pytest.raises(errors.Unreachable):
        client.get("/v1/version")
    client.close()


def test_queries_are_quoted(client: Client) -> None:
    assert client.get("/v1/nodeset", nodes="@stack:0&@all!worker-0-[0-2]")["folded"] == "worker-0-[3-4]"
    with pytest.raises(errors.BadNodeSet):
        client.get("/v1/nodeset", nodes="a b;ü")


class _Script:
    """A server that answers each connection with the next of some byte strings, in small pieces."""

    def __init__(self, path: Path, answers: list[bytes], piece: int = 7) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self._piece = piece
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for answer in self._answers:
            connection, _ = self._listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(4096)
                self.requests.append(data)
                for at in range(0, len(answer), self._piece):
                    connection.sendall(answer[at : at + self._piece])
        self._listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}',
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'3\r\n{"a\r\n5;x=y\r\n": 1}\r\n0\r\n\r\n',
        b'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"a": 1}',
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:8\r\n\r\n{"a": 1}',
    ],
)
def test_any_way_to_send_a_body(tmp_path: Path, answer: bytes) -> None:
    _Script(tmp_path / "s", [answer])
    with Client(tmp_path / "s", 5) as client:
        assert client.get("/x") == {"a": 1}


def test_half_an_answer_is_none(tmp_path: Path) -> None:
    _Script(tmp_path / "s", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
    with pytest.raises(errors.Unreachable):
        Client(tmp_path / "s", 5).get("/x")


def test_time_runs_out(served: Served) -> None:
    client = served.client(timeout_s=1.0)
    client.get("/v1/version")
    served.do(lambda: threading.Timer(0, lambda: None).start())
    now = client.get("/v1/revision")["revision"]
    assert client.get("/v1/revision", differs_from=now, wait_s=1.4)["revision"] == now  # wait_s is added
    stuck = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stuck.bind(str(served.path) + "2")
    stuck.listen()
    with pytest.raises(errors.TimedOut):
        Client(str(served.path) + "2", 0.1).get("/v1/version")
    stuck.close()


def _take(stream: Iterator[dict[str, object]], count: int) -> list[object]:
    return [next(stream)["message"] for _ in range(count)]


def test_stream_replays_and_follows(served: Served, client: Client) -> None:
    append = served.rack.journal.append
    first = served.do(lambda: append("test.one", "1"))
    served.do(lambda: append("test.two", "2"))
    stream = client.stream("/v1/events/stream", first.id - 1)
    assert _take(stream, 2) == ["1", "2"]
    served.do(lambda: append("other.one", "3"))
    assert _take(stream, 1) == ["3"]
    only = client.stream("/v1/events/stream", after=first.id - 1, kind="other")
    assert _take(only, 1) == ["3"]


def test_stream_goes_on_after_a_restart_of_the_connection(tmp_path: Path) -> None:
    def block(number: int) -> bytes:
        return b'id: %d\nevent: t\ndata: {"id": %d, "message": "%d"}\n\n' % (number, number, number)

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n"
    script = _Script(tmp_path / "s", [head + block(5) + block(6) + b"id: 7\ndata: {half", head + block(7)])
    stream = Client(tmp_path / "s", 5).stream("/v1/events/stream", after=4)
    assert _take(stream, 3) == ["5", "6", "7"]
    assert b"Last-Event-ID" not in script.requests[0]
    assert b"GET /v1/events/stream?after=4 " in script.requests[0]
    assert b"Last-Event-ID: 6\r\n" in script.requests[1]
    assert b"GET /v1/events/stream " in script.requests[1]


def test_stream_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(errors.Unreachable):
        next(Client(tmp_path / "s").stream("/v1/events/stream"))


def test_a_thousand_events_arrive_whole_and_in_order(served: Served, client: Client) -> None:
    stream = client.stream("/v1/events/stream", served.rack.journal.last_id)
    served.do(lambda: [served.rack.journal.append("test.n", str(n)) for n in range(1000)])
    assert _take(stream, 1000) == [str(n) for n in range(1000)]


def test_lost_events_are_told(served: Served, client: Client) -> None:
    first = next(client.stream("/v1/events/stream", 3))
    assert first["kind"] == "journal.gap"


def test_a_wrong_resume_is_refused(client: Client) -> None:
    with pytest.raises(ApiError, match="not an event id"):
        next(client.stream("/v1/events/stream", "yesterday"))


def test_the_client_starts_fast() -> None:
    """Nothing heavy may come in by accident: a command pays for each module."""
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
before = set(sys.modules)
import graped.api.client
print(*set(sys.modules) - before)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    heavy = [
        "json",
        "http.client",
        "urllib.request",
        "asyncio",
        "ssl",
        "email",
        "dataclasses",
        "inspect",
        "socket",
        "typing",
        "re",
        "pydantic",
    ]
    assert not set(done.stdout.split()) & set(heavy)


def test_heartbeat_comes_while_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graped.api.stream.HEARTBEAT_S", 0.1)
    with serving(tmp_path / "s") as served, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as follower:
        follower.settimeout(20)
        follower.connect(str(served.path))
        follower.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: g\r\n\r\n")
        data, began = b"", time.monotonic()
        while data.count(b": alive\n\n") < 2:
            data += follower.recv(4096)
        assert time.monotonic() - began < 10
