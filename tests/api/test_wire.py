"""The socket and the bytes on it: peers, limits, slow and rude callers, stopping."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from graped.api.client import Client
from graped.api.gate import MAX_BODY_BYTES
from graped.api.listener import listen
from graped.api.peer import PeerProtocol
from graped.errors import SocketInUse
from tests.api.conftest import Served, serving
from tests.api.rack import Rack


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection


def _answer(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read one answer with a known length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, f"hung up after {data!r}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return int(lines[0].split()[1]), headers, json.loads(body) if body else None


def _exchange(path: Path, request: bytes) -> tuple[int, dict[str, str], Any]:
    with _connected(path) as connection:
        connection.sendall(request)
        return _answer(connection)


def _problem(answer: tuple[int, dict[str, str], Any], status: int, code: str) -> None:
    assert (answer[0], answer[2]["status"], answer[2]["code"]) == (status, status, code)
    assert answer[1]["content-type"] == "application/problem+json"


def test_the_kernel_tells_who_asks(served: Served, client: Client) -> None:
    client.post("/v1/power", {"nodes": "worker-0-0", "verb": "on"})
    (by,) = served.rack.by
    assert by.startswith(f"uid {os.getuid()} (")
    assert by.endswith(f") pid {os.getpid()}")


def test_a_body_that_is_not_json_says_where(served: Served) -> None:
    head = b"POST /v1/power HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n"
    answer = _exchange(served.path, head + b"{")
    _problem(answer, 422, "bad_request")
    assert answer[2]["detail"].startswith("body: not JSON: ")
    assert answer[2]["detail"].endswith("at character 1")


def test_no_header_changes_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    body = b'{"nodes": "worker-0-0", "verb": "on"}'
    head = b"POST /v1/power HTTP/1.1\r\nHost: g\r\nX-Forwarded-For: uid:4242\r\nContent-Type: application/json\r\n"
    with serving(tmp_path / "s.sock") as served:
        status, *_ = _exchange(served.path, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert status == 202
        assert served.rack.by[0].startswith(f"uid {os.getuid()} (")


def test_a_sane_request_id_is_kept(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    kept = _exchange(served.path, b"GET /v1/jobs/99 HTTP/1.1\r\nHost: g\r\nX-Request-Id: my-id.7\r\n\r\n")
    assert kept[1]["x-request-id"] == kept[2]["request_id"] == "my-id.7"
    made = _exchange(served.path, b"GET /v1/jobs/99 HTTP/1.1\r\nHost: g\r\nX-Request-Id: not sane\r\n\r\n")
    assert made[1]["x-request-id"] == made[2]["request_id"] != "not sane"


def test_a_bug_tells_nothing_but_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    served.rack.config_view = broken  # type: ignore[method-assign,assignment]
    with caplog.at_level(logging.ERROR):
        answer = _exchange(served.path, b"GET /v1/config HTTP/1.1\r\nHost: g\r\nX-Request-Id: bug-1\r\n\r\n")
    _problem(answer, 500, "internal")
    assert "secret" not in json.dumps(answer[2])
    record = next(one for one in caplog.records if one.name == "graped.api" and one.exc_info)
    assert "secret detail" in str(record.exc_info)
    assert record.fields == {"request_id": "bug-1"}  # type: ignore[attr-defined]
    assert _exchange(served.path, b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")[0] == 200


@pytest.mark.parametrize(
    ("request_line", "status", "code", "allow"),
    [
        ("GET /v2/nodes", 404, "not_found", None),
        ("GET /v1/status/", 404, "not_found", None),
        ("PUT /v1/sim/faults", 405, "method_not_allowed", "DELETE, GET, POST"),
        ("DELETE /v1/power", 405, "method_not_allowed", "GET, POST"),
    ],
)
def test_no_such_path_or_method(served: Served, request_line: str, status: int, code: str, allow: str | None) -> None:
    answer = _exchange(served.path, f"{request_line} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
    _problem(answer, status, code)
    assert answer[1].get("allow") == allow


@pytest.mark.parametrize("text", [b"", b"{", b"[1,", b"\xff", b"null", b'"on"', b"{}"])
def test_a_body_that_is_no_request(served: Served, text: bytes) -> None:
    head = b"POST /v1/power HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    status, headers, body = _exchange(served.path, head % len(text) + text)
    assert status in (400, 422)
    assert headers["content-type"] == "application/problem+json"
    assert body["code"] == "bad_request"


def test_ten_megabytes_are_refused_unread(served: Served, client: Client) -> None:
    client.get("/v1/version")
    with _connected(served.path) as connection:
        size = 10 * 1024 * 1024
        connection.sendall(b"POST /v1/power HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % size)
        _problem(_answer(connection), 413, "too_large")
        connection.sendall(b"x" * size)  # who sends it all the same is not kept in memory, and may go on
        connection.sendall(b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")
        assert _answer(connection)[0] == 200


def test_a_body_in_chunks_has_the_same_limit(served: Served) -> None:
    head = b"POST /v1/power HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with _connected(served.path) as connection:
        connection.sendall(head + chunk * (MAX_BODY_BYTES // 0x4000 + 1))
        _problem(_answer(connection), 413, "too_large")
    text = b'{"nodes": "worker-0-0", "verb": "on"}'
    small = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    head = head.replace(b"Host: g", b"Host: g\r\nContent-Type: application/json")
    assert _exchange(served.path, head + small)[0] == 202


def test_bytes_that_are_not_http(served: Served) -> None:
    with _connected(served.path) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        _problem(_answer(connection), 400, "bad_request")
        assert connection.recv(1) == b""


def test_a_head_that_never_ends_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeerProtocol, "header_timeout_s", 1.0)
    with serving(tmp_path / "s") as served, _connected(served.path) as slow, _connected(served.path) as silent:
        began = time.monotonic()
        for one in b"GET /v1/ver":
            slow.sendall(bytes([one]))
            time.sleep(0.01)
        with served.client() as client:
            assert client.get("/v1/version")["api"] == "v1"
        _problem(_answer(slow), 408, "request_timeout")
        assert slow.recv(1) == b""
        assert silent.recv(1) == b""
        assert 0.9 < time.monotonic() - began < 15


def test_a_second_head_that_never_ends_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeerProtocol, "header_timeout_s", 1.0)
    with serving(tmp_path / "s") as served, _connected(served.path) as slow:
        slow.sendall(b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")
        assert _answer(slow)[0] == 200
        time.sleep(1.5)  # waiting between requests is not slow
        slow.sendall(b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")
        assert _answer(slow)[0] == 200
        slow.sendall(b"GET /v1/ver")
        _problem(_answer(slow), 408, "request_timeout")


def test_idle_connections_disturb_nobody(served: Served, client: Client) -> None:
    idle = [_connected(served.path) for _ in range(200)]
    try:
        began = time.monotonic()
        assert client.get("/v1/status")["cluster"] == "test"
        assert time.monotonic() - began < 8
    finally:
        for one in idle:
            one.close()


def test_who_is_idle_for_longest_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graped.api.server.MAX_CONNECTIONS", 4)
    with serving(tmp_path / "s") as served:
        with served.client() as client:
            client.get("/v1/version")
        idle = []
        for _ in range(6):
            idle.append(_connected(served.path))
            idle[-1].sendall(b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")
            assert _answer(idle[-1])[0] == 200
        assert idle[0].recv(1) == b""
        assert idle[1].recv(1) == b""
        idle[-1].sendall(b"GET /v1/version HTTP/1.1\r\nHost: g\r\n\r\n")
        assert _answer(idle[-1])[0] == 200
        for one in idle:
            one.close()


def test_stopping_ends_streams_and_long_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graped.api.server.STOP_S", 15.0)  # nothing has to be cut
    ended = []

    def follow(served: Served) -> None:
        with served.client() as client:
            ended.append(client.get("/v1/revision", differs_from=served.rack.state.revision, wait_s=60)["revision"])

    with serving(tmp_path / "s") as served:
        with _connected(served.path) as stream:
            stream.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: g\r\n\r\n")
            assert b"200" in stream.recv(4096)
            waiting = threading.Thread(target=follow, args=(served,))
            waiting.start()
            time.sleep(0.2)
            began = time.monotonic()
            served.stop()
            assert time.monotonic() - began < 10
            rest = b""
            while piece := stream.recv(4096):
                rest += piece
            assert rest.endswith(b"0\r\n\r\n"), "the stream ended properly"
        waiting.join(20)
    assert ended == [served.rack.state.revision]
    assert served.failure is None


def test_socket_is_made_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "run" / "grape" / "graped.sock"
    with serving(path):
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0
    assert not path.exists()


def test_a_dead_socket_is_taken_over_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(path))
    dead.close()
    with serving(path) as served:
        with pytest.raises(SocketInUse):
            listen(path, "root")
        with served.client() as client:
            assert client.get("/v1/version")["api"] == "v1"


def test_a_file_is_not_removed_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(SocketInUse):
        listen(path, "root")
    assert path.read_text() == "precious"


def test_a_socket_that_is_not_ours_any_more_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = listen(path, "root")
    path.unlink()
    second = listen(path, "root")
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_real_hardware_is_asked_by_nobody_at_build(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lambda: Rack(simulated=False)) as served, served.client() as client:
        document = client.get("/openapi.json")
    assert len(document["paths"]) > 20
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                kinds = list(response["content"])
                wanted = "application/problem+json" if int(status) >= 400 else "application/json"
                assert kinds == (["text/plain"] if path == "/metrics" and status == "200" else [wanted]), (path, method)
            assert {"422", "500"} <= set(operation["responses"])
