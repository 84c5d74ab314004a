"""The sample stack of grape_docker/examples: built, pushed to the master's registry, and run from there, offline."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import SERVICE_UNAVAILABLE
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from grape_docker.registry.place import Address, Place
from grape_docker.registry.trust import DAEMON_JSON, read_trust, with_mirror
from tests.lab.crowd import LONG_S, MASTER, Crowd
from tests.lab.machines.bare_machine import SOURCE
from tests.lab.network import inside
from tests.lab.suites.swarm.configured import configured
from tests.lab.voting import base

EXAMPLE: Final = f"{SOURCE}/grape_docker/examples/voting"
STACK: Final = "sample"
REGISTRY: Final = Address(host=MASTER)
ROOM: Final = "var/lib/grape-docker/registry"
WANTED: Final = {"vote": 3, "store": 1, "worker": 1, "db": 1, "result": 2, "visualizer": 1}
RUN_S: Final = 240.0
COUNT_S: Final = 120.0


def test_the_sample_runs_from_the_local_registry_without_any_outside_network(
    crowd: Crowd, record_property: Callable[[str, object], None]
) -> None:
    crowd.down()
    with configured(crowd, "[docker]\nregistry = true\n"), _offline(crowd), _registry(crowd), _docker_as_it_was(crowd):
        _build(crowd)
        _push(crowd)
        crowd.up()
        for machine in (crowd.machine, *crowd.slaves.values()):
            assert machine.attempt("ip", "route", "get", "1.1.1.1").returncode, "there is a way to the Internet"
        crowd.docker("stack", "deploy", "--compose-file", f"{EXAMPLE}/stack.yml", STACK)
        try:
            run_s = crowd.until(lambda: _running(crowd) == WANTED, RUN_S, "the whole stack runs")
            record_property(
                "summary", f"sample stack: images pulled from the local registry, all ran after {run_s:.1f} s"
            )
            _vote_and_count(crowd)
            _power_off_and_vote(crowd)
        finally:
            crowd.docker("stack", "rm", STACK)


def _vote_and_count(crowd: Crowd) -> None:
    """Each node takes votes, each result page has the count; a second vote of one voter replaces the first."""
    for slave in crowd.slaves.values():
        crowd.until(partial(_can_vote, crowd, slave.address), COUNT_S, f"{slave.name} takes votes")
        cookie = _vote(crowd, slave.address, "a")
    _until_counted(crowd, {"a": 3, "b": 0})
    _vote(crowd, crowd.slaves["worker-0-0"].address, "b", cookie)
    _until_counted(crowd, {"a": 2, "b": 1})
    crowd.until(partial(_is_seen, crowd), COUNT_S, "the visualizer shows every vote service")


def _is_seen(crowd: Crowd) -> bool:
    seen = json.loads(_get(crowd, f"http://{MASTER}:8082/tasks"))
    return sorted(seen) == ["master", *sorted(crowd.slaves)] and all(
        f"{STACK}_vote" in seen[one] for one in crowd.slaves
    )


def _power_off_and_vote(crowd: Crowd) -> None:
    """A node goes, with whatever it ran; those that stay go on counting."""
    [gone] = crowd.running(f"{STACK}_worker")
    crowd.power("off", gone, "--wait")
    left = {**WANTED, "vote": 2}
    crowd.until(lambda: _running(crowd) == left, RUN_S, "the stack runs on the nodes that are left")
    address = next(slave.address for name, slave in crowd.slaves.items() if name != gone)
    _vote(crowd, address, "b")
    _until_counted(crowd, {"a": 2, "b": 2})


def _running(crowd: Crowd) -> dict[str, int]:
    return {name: crowd.running(f"{STACK}_{name}").total() for name in WANTED}


def _until_counted(crowd: Crowd, counts: dict[str, int]) -> None:
    def counted() -> bool:
        shown = [crowd.slaves[name].address for name in crowd.running(f"{STACK}_result")]
        return len(shown) == WANTED["result"] and all(
            json.loads(_get(crowd, f"http://{address}:8081/counts")) == counts for address in shown
        )

    crowd.until(counted, COUNT_S, f"the votes are counted: {counts}")


def _vote(crowd: Crowd, address: str, choice: str, cookie: str = "") -> str:
    """Vote as a browser does; the cookie tells who voted."""
    request = Request(f"http://{address}:8080/", data=urlencode({"vote": choice}).encode(), headers={"Cookie": cookie})

    def post() -> str:
        with urlopen(request, timeout=60) as answer:
            return str(answer.headers["Set-Cookie"]).partition(";")[0]

    deadline = time.monotonic() + COUNT_S
    while True:
        try:
            return inside(crowd.machine.place.namespace, post)
        except HTTPError as error:  # it was not taken: the store has just been started, and does not listen yet
            if error.code != SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise
        time.sleep(1.0)


def _get(crowd: Crowd, url: str) -> bytes:
    def get() -> bytes:
        with urlopen(url, timeout=10) as answer:
            body: bytes = answer.read()
            return body

    return inside(crowd.machine.place.namespace, get)


def _can_vote(crowd: Crowd, address: str) -> bool:
    return b"grapes" in _get(crowd, f"http://{address}:8080/")


def _build(crowd: Crowd) -> None:
    """Make the images out of Debian packages, by the sample's own Dockerfile."""
    tar = crowd.machine.path("/root/base.tar")
    shutil.copyfile(base(), tar)
    crowd.docker("import", "/root/base.tar", "redis:7")
    crowd.docker("tag", "redis:7", "python:3-slim")
    tar.unlink()
    crowd.machine.do(
        "env", "DOCKER_BUILDKIT=0", "docker", "build", "--quiet", "--tag=voting:1", EXAMPLE, timeout_s=LONG_S
    )


def _push(crowd: Crowd) -> None:
    """Have them in the registry and nowhere else."""
    for name in ("voting:1", "redis:7"):
        crowd.grape_docker("image", "push", name)
    assert sorted(one["name"] for one in crowd.grape_docker_json("image", "list")) == ["redis:7", "voting:1"]
    crowd.docker("image", "rm", "--force", "voting:1", "redis:7", "python:3-slim")


@contextmanager
def _offline(crowd: Crowd) -> Iterator[None]:
    """Have the master without a way out; slaves have none anyway."""
    route = crowd.machine.do("ip", "route", "show", "default").split()
    crowd.machine.do("ip", "route", "del", "default")
    try:
        yield
    finally:
        crowd.machine.do("ip", "route", "add", *route)


@contextmanager
def _registry(crowd: Crowd) -> Iterator[None]:
    """Have the registry on the master, which uses it itself as the installer would have it."""
    machine = crowd.machine
    started = machine.attempt("systemctl", "start", "grape-registry")
    assert started.returncode == 0, machine.journal("grape-registry")
    crowd.until(lambda: machine.path(f"/{ROOM}/address.json").exists(), COUNT_S, "the registry is prepared")
    trust = read_trust(Place(folder=machine.path(f"/{ROOM}")))
    assert trust.address == REGISTRY
    ca, daemon_json = machine.path(str(trust.ca_path)), machine.path(str(DAEMON_JSON))
    before = daemon_json.read_text()
    ca.parent.mkdir(parents=True)
    ca.write_text(trust.ca_pem)
    daemon_json.write_text(with_mirror(before, trust.mirror) or before)
    machine.do("systemctl", "reload", "docker")
    try:
        yield
    finally:
        daemon_json.write_text(before)
        shutil.rmtree(ca.parent)
        machine.do("systemctl", "reload", "docker")
        machine.do("systemctl", "stop", "grape-registry")


@contextmanager
def _docker_as_it_was(crowd: Crowd) -> Iterator[None]:
    """Give slaves, which are off, their Docker's configuration back at the end."""
    folders = [slave.root / "etc/docker" for slave in crowd.slaves.values()]
    before = [{path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} for folder in folders]
    try:
        yield
    finally:
        crowd.down()
        for folder, files in zip(folders, before, strict=True):
            shutil.rmtree(folder)
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
