"""A node that is to lose its power is drained first; who drains it cannot hold it for ever; --force does not wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

import pytest

from tests.lab.crowd import DAEMON, SOON_S, Crowd
from tests.lab.served import VENV
from tests.lab.slave import Slave

SERVICE: Final = "stubborn"
STUBBORN: Final = ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done")  # ends when its grace is over
KILL_ALL: Final = "docker ps --quiet | xargs --no-run-if-empty docker kill"
GRACE_S: Final = 8.0  # long enough for grapecli to show that it is waited for
LATE_S: Final = 25.0  # on a machine that has much to do; less than a drain that is waited for to its end

Record = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def nothing_left(crowd: Crowd) -> Iterator[None]:
    """Leave no stubborn task to the tests that come after."""
    yield
    services: Any = crowd.engine.services
    for service in services.list():
        service.remove()
    for slave in crowd.slaves.values():
        if slave.running:
            crowd.until(partial(_is_empty, slave), SOON_S, f"nothing runs on {slave.name}")


def _is_empty(slave: Slave) -> bool:
    return not slave.attempt("sh", "-c", KILL_ALL).returncode and not slave.containers()


def loaded(crowd: Crowd, grace_s: float) -> str:
    """Have a service on all three nodes whose tasks take so long to end; name a node that is then looked after."""
    crowd.up()
    crowd.service(SERVICE, 3, command=STUBBORN, grace_s=grace_s)
    crowd.until(lambda: len(crowd.running(SERVICE)) == 3, SOON_S, "a task runs on each node")
    name = "worker-0-1"
    crowd.until(lambda: name in guard(crowd)["nodes"], SOON_S, f"grape_docker looks after {name}")
    return name


def guard(crowd: Crowd) -> Any:
    (found,) = crowd.json("guards")
    return found


def way(crowd: Crowd) -> str:
    """What came of the guards in the last power command, once it is over; grape_docker has jobs of its own."""
    crowd.until(lambda: _last_power(crowd)["outcome"] == "done", LATE_S, "the power command is done")
    first: str = _last_power(crowd)["tasks"][0]["way"][0]
    return first


def _last_power(crowd: Crowd) -> Any:
    return [one for one in crowd.json("jobs", "list", "--limit", "20") if one["kind"] == "power"][-1]


def cut_with(crowd: Crowd, name: str) -> int:
    """Count the containers that ran when a node lost its power."""
    return len(crowd.slaves[name].cuts[-1].containers)


def test_a_node_is_drained_and_then_off(crowd: Crowd, record_property: Record) -> None:
    name = loaded(crowd, grace_s=GRACE_S)
    began = time.monotonic()
    done = crowd.machine.attempt(f"{VENV}/bin/grapecli", "power", "off", name, "--wait", timeout_s=SOON_S)
    took_s = time.monotonic() - began
    assert (done.returncode, done.stdout) == (0, f"off: {name}\n"), done.stderr
    assert f"{name}: draining 1 task ..., power on, up" in done.stderr.splitlines()
    assert way(crowd) == "guards: grape_docker: drained, left the swarm"
    crowd.until(lambda: not crowd.slaves[name].running, LATE_S, "its power is cut")
    assert cut_with(crowd, name) == 0, "a task died undrained"
    crowd.until(lambda: crowd.is_whole(SERVICE, 3), SOON_S, "its task runs elsewhere")
    assert not crowd.running(SERVICE)[name]
    crowd.until(lambda: not crowd.entries(name), SOON_S, f"{name} is not in the swarm any more")
    record_property("summary", f"a node with a task that takes {GRACE_S:g} s to end: off after {took_s:.1f} s, drained")


def test_a_guard_whose_owner_was_killed_holds_until_its_lease_is_over(crowd: Crowd, record_property: Record) -> None:
    name = loaded(crowd, grace_s=60.0)
    crowd.power("off", name)
    crowd.until(lambda: [hold["note"] for hold in guard(crowd)["holding"]] == ["draining 1 task"], LATE_S, "it drains")
    crowd.machine.do("sh", "-c", f"kill -9 {crowd.master.pid(DAEMON)}; systemctl stop {DAEMON}")  # nobody restarts it
    killed = time.time()
    lease = datetime.fromisoformat(guard(crowd)["until"]).timestamp()
    assert killed < lease < killed + 16.0
    crowd.until(lambda: not crowd.slaves[name].running, lease - killed + LATE_S, "its power is cut")
    late_s = time.time() - lease
    assert late_s > -0.2, "it did not hold its node while its lease lasted"
    assert way(crowd) == "guards: grape_docker: its lease is over"
    assert cut_with(crowd, name) == 1
    assert crowd.json("guards") == []
    crowd.until(lambda: crowd.is_whole(SERVICE, 3), SOON_S, "what ran there runs elsewhere")
    text = (
        f"grape_docker killed while it drained: lease over {lease - killed:.1f} s later, cut {late_s:.2f} s after that"
    )
    record_property("summary", text)


def test_force_waits_for_nobody(crowd: Crowd, record_property: Record) -> None:
    name = loaded(crowd, grace_s=60.0)
    began = time.monotonic()
    crowd.power("off", name, "--force", "--wait")
    took_s = time.monotonic() - began
    assert took_s < LATE_S
    assert way(crowd) == "guards: skipped by --force"
    crowd.until(lambda: not crowd.slaves[name].running, LATE_S, "its power is cut")
    assert cut_with(crowd, name) == 1
    assert crowd.json("events", "--kind", "guard.skipped")[-1]["node"] == name
    record_property("summary", f"power off --force of a node with tasks: {took_s:.2f} s")
