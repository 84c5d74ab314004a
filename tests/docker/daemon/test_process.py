"""The program itself: signals, one at a time, what its commands print and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.docker.daemon.house import House, until

BIN = os.path.join(os.path.dirname(sys.executable), "grape_docker")


def _argv(house: House, *words: str) -> list[str]:
    return [
        BIN,
        "--socket",
        str(house.graped.socket),
        "--docker",
        house.docker.url,
        "--state-dir",
        str(house.state),
        *words,
    ]


def _cli(house: House, *words: str, code: int = 0) -> str:
    done = subprocess.run(_argv(house, *words), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def _json(house: House, *words: str) -> Any:
    return json.loads(_cli(house, "--json", *words))


def test_it_ends_by_sigterm_and_runs_once_at_a_time(house: House) -> None:
    process = subprocess.Popen(_argv(house, "run"), stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: house.client().get("/v1/guards"), "it runs", 20.0)
        assert "another grape_docker" in _cli(house, "run", code=6)
        assert _json(house, "status")["daemon"]["runs"] is True
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 10.0
    finally:
        process.kill()
        process.wait(5)
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
    assert "Traceback" not in said
    assert house.client().get("/v1/guards") == []
    assert _json(house, "status")["daemon"]["runs"] is False
    assert [key["name"] for key in house.client().get("/v1/keys")] == ["grape_docker"]
    assert (house.state / "ssh/id_ed25519").stat().st_mode & 0o777 == 0o600


def test_plan_says_what_would_be_done_and_does_nothing(house: House) -> None:
    house.power("on", "worker-0-0", "worker-0-1")
    for name in ("worker-0-0", "worker-0-1"):
        until(lambda name=name: house.client().get(f"/v1/nodes/{name}")["stage"] == "up", "up", 20.0)
    said = _cli(house, "plan")
    assert "make a swarm" in said
    assert "worker-0-[0-1]: join the swarm: it is up, and not in the swarm" in said
    assert [one["action"] for one in _json(house, "plan")["actions"]] == ["join", "join"]
    assert house.engine.cluster is None


def test_people_drain_activate_and_remove(house: House) -> None:
    house.begin()
    house.power("on", "worker-0-0", "worker-0-1")
    until(lambda: house.is_in("worker-0-0") and house.is_in("worker-0-1"), "both are in", 20.0)
    spec = lambda: house.entries()["worker-0-0"][0]["Spec"]  # noqa: E731
    assert "worker-0-[0-1] drained" in _cli(house, "drain", "--wait", "worker-0-[0-1]")
    assert (spec()["Availability"], spec()["Labels"]["grape.drained"]) == ("drain", "asked")
    time.sleep(0.5)
    assert spec()["Availability"] == "drain", "the daemon leaves it"
    (node,) = [one for one in _json(house, "status")["nodes"] if one["name"] == "worker-0-0"]
    assert (node["state"], node["availability"], node["role"]) == ("ready", "drain", "worker")
    assert "worker-0-[0-1]  on     up     ready  drain" in _cli(house, "status")
    _cli(house, "activate", "@up")
    assert house.is_in("worker-0-0")
    assert "grape.drained" not in spec()["Labels"]
    assert "is not down" in _cli(house, "rm", "worker-0-0", code=6)
    assert "--yes" in _cli(house, "rm", "--force", "worker-0-0", code=2)
    house.kill()  # it would remove the entry itself
    phantom = house.engine.add_node("worker-0-2", state="down")
    assert _json(house, "rm", "worker-0-2") == {"removed": {"worker-0-2": [phantom]}, "folded": "worker-0-2"}


def test_tokens_are_rotated_and_not_shown(house: House) -> None:
    house.begin()
    until(lambda: house.engine.cluster is not None, "there is a swarm")
    before = dict(house.engine.made.tokens)
    said = _cli(house, "token", "rotate")
    after = house.engine.made.tokens
    assert not set(before.values()) & set(after.values())
    assert not any(token in said for token in (*before.values(), *after.values()))
    house.power("on", "worker-0-0")
    until(lambda: house.is_in("worker-0-0"), "the new token is used", 20.0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("drain",), 2, "Missing argument"),
        (("drain", "worker-9-9"), 2, "worker-9-9"),
        (("drain", "worker-0-3"), 6, "no entry in the swarm"),
        (("plam",), 2, "Did you mean 'plan'?"),
        (("--docker", "unix:///nowhere/docker.sock", "status"), 3, "no socket"),
        (("--socket", "/nowhere/s.sock", "status"), 3, "hint"),
    ],
)
def test_errors_have_exit_codes_and_say_what_helps(house: House, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in _cli(house, *words, code=code)
