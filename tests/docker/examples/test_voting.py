"""The sample's two stacks tell the same story, and its services do what they say; the lab runs them all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml

import grape_docker
from grape_docker.examples.voting.app import db

VOTING = Path(grape_docker.__file__).parent / "examples/voting"
ON_PORTS = ("ports", "deploy")  # where the two may differ


def services(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((VOTING / name).read_text())["services"]
    return read


def test_both_stacks_have_the_same_services() -> None:
    host, ingress = services("stack.yml"), services("stack-ingress.yml")
    assert list(host) == list(ingress)
    for name, one in host.items():
        same = {key: value for key, value in one.items() if key not in ON_PORTS}
        assert same == {key: value for key, value in ingress[name].items() if key not in ON_PORTS}
        published = [f"{port['published']}:{port['target']}" for port in one.get("ports", ())]
        assert published == ingress[name].get("ports", [])


def test_what_is_run_here_needs_no_ip_vs_and_what_is_not_says_so() -> None:
    for one in services("stack.yml").values():
        assert one["deploy"]["endpoint_mode"] == "dnsrr"
        assert all(port["mode"] == "host" for port in one.get("ports", ()))
    assert "NOT RUN BY GRAPE'S TESTS" in (VOTING / "stack-ingress.yml").read_text().splitlines()[0]


def test_each_command_is_a_module_of_the_image() -> None:
    for one in services("stack.yml").values():
        if one["image"] == "voting:1":
            module = one["command"][-1].removeprefix("app.")
            assert (VOTING / "app" / f"{module}.py").is_file()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(db, "FILE", str(tmp_path / "votes.sqlite"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), db.Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_voter_has_one_vote_and_may_change_it(database: str) -> None:
    for voter, vote in (("1", "a"), ("2", "a"), ("1", "b")):
        with closing(urlopen(database + "/votes", json.dumps({"voter": voter, "vote": vote}).encode(), timeout=30)):
            pass
    with urlopen(database + "/counts", timeout=30) as answer:
        assert json.load(answer) == {"a": 1, "b": 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"voter": "1"}', b"\xff"])
def test_what_is_no_vote_is_refused(database: str, body: bytes) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(database + "/votes", body, timeout=30)
    assert refused.value.code == 400
