"""A swarm is made where there is none, adopted where there is one, and never taken from others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grape_docker.model import Settings
from grape_docker.swarm.errors import (
    AddressMissing,
    DockerDenied,
    DockerError,
    DockerUnreachable,
    ForeignSwarm,
    SwarmBusy,
    SwarmLocked,
)
from grape_docker.swarm.founding import notes
from grape_docker.swarm.manager import Manager
from grape_docker.swarm.reading import host_of
from tests.docker.fake_engine import Serving
from tests.docker.fake_swarm import FakeEngine

HERE = Settings(advertise="127.0.0.1", data_path="127.0.0.2", address_pool=("10.200.0.0/16",), heartbeat_s=2.5)


def manager(served: Serving, settings: Settings = HERE) -> Manager:
    return Manager(settings, served.url, timeout_s=5)


def test_a_swarm_is_made_as_configured(served: Serving, engine: FakeEngine) -> None:
    founded = manager(served).ensure()
    assert founded.made
    assert founded.self_id == engine.node_id
    assert founded.id == engine.made.id
    assert founded.notes == ()
    (asked,) = engine.inits
    assert asked["AdvertiseAddr"] == "127.0.0.1"
    assert asked["DataPathAddr"] == "127.0.0.2"
    assert asked["DefaultAddrPool"] == ["10.200.0.0/16"]
    assert asked["SubnetSize"] == 24
    assert asked["Spec"]["Dispatcher"]["HeartbeatPeriod"] == 2_500_000_000
    assert not asked["ForceNewCluster"]


def test_what_is_not_configured_is_left_to_docker(served: Serving, engine: FakeEngine) -> None:
    manager(served, Settings()).ensure()
    assert not {"AdvertiseAddr", "DataPathAddr", "DefaultAddrPool", "SubnetSize"} & set(engine.inits[0])


def test_a_swarm_that_is_there_is_adopted_and_nothing_of_it_changes(served: Serving, engine: FakeEngine) -> None:
    manager(served).ensure()
    before = json.dumps([engine.made.spec, engine.made.nodes, engine.made.index, engine.made.tokens])
    other = Settings(advertise="127.0.0.9", heartbeat_s=5.0, address_pool=("10.99.0.0/16",))
    founded = manager(served, other).ensure()
    assert not founded.made
    assert json.dumps([engine.made.spec, engine.made.nodes, engine.made.index, engine.made.tokens]) == before
    assert len(engine.inits) == 1
    assert [note.split(":")[0] for note in founded.notes] == [
        "the swarm advertises 127.0.0.1, docker.advertise says 127.0.0.9",
        "the swarm's heartbeat is 2.5 s, docker.heartbeat_s says 5",
    ]


def test_a_foreign_swarm_is_refused(served: Serving, engine: FakeEngine) -> None:
    engine.state, engine.node_id = "active", "me"
    engine.others = [{"NodeID": "other", "Addr": "10.9.9.9:2377"}]
    with pytest.raises(ForeignSwarm, match=r"10\.9\.9\.9:2377"):
        manager(served).ensure()
    assert not engine.inits


@pytest.mark.parametrize(("state", "error"), [("locked", SwarmLocked), ("pending", SwarmBusy), ("error", DockerError)])
def test_a_swarm_that_cannot_be_used_now_is_told_and_none_is_made(
    served: Serving, engine: FakeEngine, state: str, error: type[Exception]
) -> None:
    engine.state, engine.error = state, "x509: certificate has expired"
    with pytest.raises(error):
        manager(served).ensure()
    assert not engine.inits


def test_a_manager_that_has_lost_the_others_is_not_taken_for_a_foreign_worker(
    served: Serving, engine: FakeEngine
) -> None:
    engine.state, engine.node_id, engine.error = "active", "me", "rpc error: context deadline exceeded"
    engine.others = [{"NodeID": "me", "Addr": "10.77.0.1:2377"}, {"NodeID": "other", "Addr": "10.77.0.2:2377"}]
    with pytest.raises(SwarmBusy, match="deadline"):
        manager(served).ensure()


def test_a_docker_that_is_being_stopped_makes_no_second_swarm(served: Serving, engine: FakeEngine) -> None:
    """It says that it is in no swarm, on connections that were open before."""
    one = manager(served)
    one.ensure()
    engine.state, engine.control = "inactive", False
    served.refuse_new()
    with pytest.raises(DockerUnreachable):
        one.ensure()
    assert len(engine.inits) == 1


def test_no_swarm_is_made_at_an_address_that_is_not_here(served: Serving, engine: FakeEngine) -> None:
    with pytest.raises(AddressMissing, match=r"192\.0\.2\.7"):
        manager(served, Settings(advertise="192.0.2.7")).ensure()
    assert not engine.inits


def test_a_master_with_several_addresses_is_asked_for_one(served: Serving, engine: FakeEngine) -> None:
    engine.refusal = "could not choose an IP address to advertise since this system has multiple addresses"
    with pytest.raises(DockerError, match="could not choose") as told:
        manager(served, Settings()).ensure()
    assert "docker.advertise" in told.value.hint


def test_a_docker_that_is_restarted_is_found_again(served: Serving, engine: FakeEngine) -> None:
    one = manager(served)
    one.ensure()
    served.stop()
    with pytest.raises(DockerUnreachable, match="there is no socket"):
        one.ensure()
    served.path.write_text("")
    with pytest.raises(DockerUnreachable, match="nobody listens"):
        one.ensure()
    served.start()
    assert not one.ensure().made


def test_a_docker_that_hangs_is_given_up(served: Serving, engine: FakeEngine) -> None:
    one = Manager(HERE, served.url, timeout_s=0.3)
    one.ensure()
    with engine.lock, pytest.raises(DockerUnreachable, match="did not answer in time"):
        one.ensure()


def test_who_may_not_talk_to_docker_is_told_of_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is forbidden: the socket itself refuses here, as the kernel does for others."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(DockerDenied) as told:
        Manager(HERE, f"unix://{tmp_path}/docker.sock").ensure()
    assert "group docker" in told.value.hint


def test_a_pool_that_begins_on_the_clusters_own_network_is_told() -> None:
    info = {"NodeAddr": "10.0.3.1"}
    swarm = {"DefaultAddrPool": ["10.0.0.0/8"], "SubnetSize": 24, "Spec": {}}
    (note,) = notes(info, swarm, Settings(advertise="10.0.3.1"))
    assert "10.0.0.0/16" in note
    assert notes({"NodeAddr": "10.77.0.1"}, swarm, Settings(advertise="10.77.0.1")) == ()
    small = {"DefaultAddrPool": ["192.168.8.0/22"], "SubnetSize": 26, "Spec": {}}
    (note,) = notes({"NodeAddr": "192.168.11.1"}, small, Settings(advertise="192.168.11.1"))
    assert "192.168.8.0/22" in note


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.1:2377", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("[fd00::1]:2377", "fd00::1"),
        ("fd00::1", "fd00::1"),
        ("eth0:2377", "eth0"),
        ("eth0", "eth0"),
        ("", ""),
    ],
)
def test_the_host_of_an_address(text: str, host: str) -> None:
    assert host_of(text) == host
