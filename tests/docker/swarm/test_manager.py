"""Entries and tokens are changed as a person at ``docker node update`` expects: nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grape_docker.model import Availability, Health, Role, Settings
from grape_docker.swarm.errors import DockerError, ForeignSwarm, NotManager, SwarmBusy, SwarmLocked
from grape_docker.swarm.manager import Manager, changed_labels
from graped.errors import NotFound
from tests.docker.fake_engine import Serving
from tests.docker.fake_swarm import FakeEngine


@pytest.fixture
def manager(served: Serving) -> Manager:
    one = Manager(Settings(), served.url, timeout_s=5)
    one.ensure()
    return one


def test_an_entry_is_read(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1", address="10.77.0.11")
    swarm = manager.swarm()
    assert swarm.self_id == engine.node_id
    found = {node.hostname: node for node in swarm.nodes}
    node = found["worker-0-1"]
    assert (node.id, node.state, node.role, node.address) == (node_id, Health.READY, Role.WORKER, "10.77.0.11")
    assert (node.nano_cpus, node.memory_bytes, node.engine) == (4_000_000_000, 1 << 30, "20.10.24")
    assert node.created == pytest.approx(1795730400.123456)
    assert found["master"].leader


def test_labels_and_availability_change_in_one_write_and_nothing_else(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1", role="manager", address="10.77.0.11")
    spec = engine.made.nodes[node_id]["Spec"]
    spec["Labels"] = {"rack": "left", "grape.slot": "9"}
    spec["Name"] = "a name of its own"
    before = engine.made.index
    changes = {"grape.slot": None, "grape.drained": "off"}
    assert manager.update(node_id, labels=changes, availability=Availability.DRAIN)
    assert engine.made.nodes[node_id]["Spec"] == {
        "Labels": {"rack": "left", "grape.drained": "off"},
        "Role": "manager",
        "Availability": "drain",
        "Name": "a name of its own",
    }
    assert engine.made.index == before + 1


def test_what_is_so_already_is_not_written(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1")
    before = engine.made.index
    assert not manager.update(node_id, labels={"gone": None}, availability=Availability.ACTIVE, role=Role.WORKER)
    assert engine.made.index == before


def test_somebody_who_writes_in_between_loses_nothing(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1")
    engine.interfere = 3
    assert manager.set_labels(node_id, {"grape.slot": "1"})
    labels = engine.made.nodes[node_id]["Spec"]["Labels"]
    assert labels == {"grape.slot": "1", **{f"other{n}": "written in between" for n in range(3)}}


def test_who_always_writes_in_between_is_told_in_the_end(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1")
    engine.interfere = 1000
    with pytest.raises(DockerError, match="out of sequence"):
        manager.set_role(node_id, Role.MANAGER)


def test_an_entry_that_is_gone_is_told(manager: Manager) -> None:
    with pytest.raises(NotFound):
        manager.set_availability("x" * 25, Availability.DRAIN)


def test_a_node_that_is_down_is_removed_and_one_that_is_ready_is_not(manager: Manager, engine: FakeEngine) -> None:
    node_id = engine.add_node("worker-0-1")
    with pytest.raises(DockerError, match="is not down"):
        manager.remove(node_id)
    engine.set_state(node_id, "down")
    assert manager.remove(node_id)
    assert node_id not in engine.made.nodes
    assert not manager.remove(node_id)


def test_a_manager_that_is_down_is_demoted_first_and_one_that_is_ready_stays_manager(
    manager: Manager, engine: FakeEngine
) -> None:
    node_id = engine.add_node("worker-0-1", role="manager", address="10.77.0.11")
    with pytest.raises(DockerError, match="is a cluster manager"):
        manager.remove(node_id)
    assert engine.made.nodes[node_id]["Spec"]["Role"] == "manager"
    engine.set_state(node_id, "down")
    assert manager.remove(node_id)
    assert node_id not in engine.made.nodes


def test_tokens_are_rotated_and_the_swarm_keeps_its_settings(manager: Manager, engine: FakeEngine) -> None:
    engine.made.spec["Raft"] = {"SnapshotInterval": 777}
    before, spec = manager.tokens(), dict(engine.made.spec)
    after = manager.rotate()
    assert {before.worker, before.manager}.isdisjoint({after.worker, after.manager})
    assert engine.made.spec == spec
    assert after.worker not in repr(after)
    assert after.manager not in str(after)


def test_this_masters_address_comes_first(manager: Manager, engine: FakeEngine) -> None:
    engine.add_node("a", role="manager", address="10.77.0.2")
    assert manager.addresses() == ("10.77.0.1:2377", "10.77.0.2:2377")


def test_tasks_are_told_with_what_they_need_and_history_is_not(manager: Manager, engine: FakeEngine) -> None:
    mode = {"Global": {}}
    engine.made.services = [
        {"ID": "s1", "Spec": {"Name": "web", "Mode": {"Replicated": {"Replicas": 2}}},
         "ServiceStatus": {"DesiredTasks": 2, "RunningTasks": 1}},
        {"ID": "s2", "Spec": {"Name": "agent", "Mode": mode}},
    ]  # fmt: skip
    spec = {
        "Placement": {"MaxReplicas": 1, "Constraints": ["node.labels.grape.stack==0"]},
        "Resources": {"Reservations": {"NanoCPUs": 5, "MemoryBytes": 7}},
    }
    pending = {"State": "pending", "Err": "no suitable node"}
    engine.made.tasks = [
        {"ID": "t1", "ServiceID": "s1", "NodeID": "n1", "Status": {"State": "running"}, "DesiredState": "running"},
        {"ID": "t2", "ServiceID": "s1", "Status": pending, "DesiredState": "running", "Spec": spec},
        {"ID": "t3", "ServiceID": "s1", "NodeID": "n1", "Status": {"State": "failed"}, "DesiredState": "shutdown"},
        {"ID": "t4", "ServiceID": "s2", "NodeID": "n1", "Status": {"State": "running"}, "DesiredState": "shutdown"},
        {"ID": "t5", "ServiceID": "gone", "NodeID": "n1", "Status": {"State": "new"}, "DesiredState": "running"},
    ]
    tasks = {task.id: task for task in manager.tasks()}
    assert set(tasks) == {"t1", "t2", "t4", "t5"}
    assert (tasks["t1"].service, tasks["t4"].everywhere, tasks["t5"].service) == ("web", True, "gone")
    (waits,) = manager.pending()
    assert (waits.id, waits.error, waits.node_id) == ("t2", "no suitable node", None)
    assert (waits.max_per_node, waits.constraints) == (1, ("node.labels.grape.stack==0",))
    assert (waits.nano_cpus, waits.memory_bytes) == (5, 7)
    counts = [(one.name, one.desired, one.running, one.everywhere) for one in manager.services()]
    assert counts == [("agent", 0, 0, True), ("web", 2, 1, False)]


def test_why_a_manager_is_none_is_told(manager: Manager, engine: FakeEngine) -> None:
    engine.control, engine.others = False, [{"NodeID": "other", "Addr": "10.9.9.9:2377"}]
    with pytest.raises(ForeignSwarm, match=r"10\.9\.9\.9"):
        manager.swarm()
    engine.state = "inactive"
    with pytest.raises(NotManager):
        manager.tokens()
    engine.state = "locked"
    with pytest.raises(SwarmLocked):
        manager.tasks()


def test_a_swarm_without_leader_is_told_as_one_that_comes_back(manager: Manager, engine: FakeEngine) -> None:
    engine.broken = (500, "rpc error: code = Unknown desc = The swarm does not have a leader.")
    with pytest.raises(SwarmBusy):
        manager.swarm()
    engine.broken = (503, "This node is not a swarm manager.")  # while Docker says of itself that it is one
    with pytest.raises(SwarmBusy, match="not a swarm manager"):
        manager.tokens()


TEXTS = st.text("abc.", max_size=3)


@given(st.dictionaries(TEXTS, TEXTS), st.dictionaries(TEXTS, st.none() | TEXTS))
def test_labels_that_are_not_named_stay(found: dict[str, str], changes: dict[str, str | None]) -> None:
    after = changed_labels(found, changes)
    assert {key: after.get(key) for key in changes} == changes
    assert {key: value for key, value in found.items() if key not in changes}.items() <= after.items()
    assert set(after) <= set(found) | set(changes)
    assert changed_labels(after, changes) == after
