"""Health: everything that has to run, and an API that answers as graped does."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from master_setup import checking, planning, record
from tests.setup.doing import FACTS, OPTIONS, OURS, apply
from tests.setup.fake_debian import FakeDebian, machine


def ill(fake: FakeDebian) -> dict[str, str]:
    there = machine(fake)
    found = checking.health(there, planning.wanted(FACTS, OPTIONS, OURS), record.load(there))
    return {finding.name: f"{finding.detail} / {finding.hint}" for finding in found}


@contextmanager
def answering(fake: FakeDebian, value: object) -> Iterator[None]:
    """Answer each request on graped's socket with a value."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *words: object) -> None:
            pass

    fake.path("/run/grape").mkdir()
    with socketserver.ThreadingUnixStreamServer(str(fake.path("/run/grape/graped.sock")), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def test_a_machine_that_is_not_set_up(fake: FakeDebian) -> None:
    assert ill(fake) == {"setup": "this machine is not set up / grape-setup apply"}


def test_all_is_well(fake: FakeDebian) -> None:
    apply(fake)
    fake.do_systemctl("start", "graped.service")
    with answering(fake, {"version": "1.0", "api": "v1", "simulated": False}):
        assert ill(fake) == {}


def test_everything_that_is_not_well_is_told_at_once(fake: FakeDebian) -> None:
    apply(fake)
    with fake.path("/etc/grape/config.toml").open("a") as config:
        config.write("nonsense = 1\n")
    found = ill(fake)
    assert set(found) == {"graped.service", "configuration", "api"}
    assert "systemctl start graped.service" in found["graped.service"]
    assert "nonsense: no such key" in found["configuration"]
    assert "systemctl start graped" in found["api"]


def test_somebody_else_on_the_socket(fake: FakeDebian) -> None:
    apply(fake)
    fake.do_systemctl("start", "graped.service")
    with answering(fake, ["hello"]):
        assert "not as graped does" in ill(fake)["api"]


def test_a_socket_elsewhere_is_asked_there(fake: FakeDebian) -> None:
    apply(fake)
    fake.path("/etc/grape/config.d/50-local.toml").write_text('[api]\nsocket = "/run/elsewhere.sock"\n')
    assert "/run/elsewhere.sock" in ill(fake)["api"]
