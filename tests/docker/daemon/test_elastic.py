"""Elastic mode: slots come on because tasks wait, and go off when they are idle, drained as ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.daemon.house import CONFIG, House, until
from tests.docker.fake_swarm import Json, fresh

QUIET_S = 1.5


@pytest.fixture(scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    elastic = f"[docker.elastic]\nactive = true\nmax_nodes = 3\nquiet_s = {QUIET_S}\n"
    with House(tmp_path_factory.mktemp("elastic"), CONFIG + elastic) as one:
        yield one


def _waiting(number: int) -> Json:
    """A task that no node is there for."""
    return {
        "ID": fresh(),
        "ServiceID": "svc",
        "Slot": number,
        "Status": {"State": "pending", "Err": "no suitable node (max replicas per node limit exceed)"},
        "DesiredState": "running",
        "Spec": {"Placement": {"MaxReplicas": 1}},
    }


def _on(house: House) -> set[str]:
    return {name for name, power in house.graped.observed().items() if power == "on"}


def test_slots_come_on_for_tasks_that_wait_and_go_off_when_idle(house: House) -> None:
    house.begin()
    until(lambda: house.engine.cluster is not None, "there is a swarm")
    made = house.engine.made
    made.services.append({"ID": "svc", "Spec": {"Name": "web", "Mode": {"Replicated": {}}}})
    made.tasks += [_waiting(1), _waiting(2)]
    until(lambda: len(_on(house)) == 2, "two come on", 20.0)
    chosen = _on(house)
    until(lambda: all(house.is_in(name) for name in chosen), "and join", 20.0)
    for task, name in zip(made.tasks, sorted(chosen), strict=True):
        task |= {"NodeID": house.nodes.ids[name], "Status": {"State": "running"}}
    idle, busy = sorted(chosen)
    made.tasks[:] = [task for task in made.tasks if task["NodeID"] == house.nodes.ids[busy]]
    took_s = until(lambda: _on(house) == {busy}, "the idle one goes off", 20.0)
    assert took_s >= QUIET_S * 0.8
    assert house.nodes.leaves == [idle], "it was drained, and left"
    until(lambda: idle not in house.entries(), "its entry goes")
    assert house.is_in(busy)
