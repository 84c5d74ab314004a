"""Joining, whatever is wrong with a node: mended, or told with its cause; nothing in between."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from grape_docker.model import Settings
from grape_docker.nodes.join import join
from grape_docker.nodes.leave import leave
from grape_docker.nodes.look import look
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Invite, Joined, Membership
from grape_docker.registry.place import Address
from grape_docker.registry.trust import Trust
from graped.network.ssh_client import Endpoint
from tests.docker.nodes.fake_node import ADDRESS, MANAGER, NAME, NOW, OURS, THEIRS, TOKEN, FakeNode, untouched

ENDPOINT = Endpoint(name=NAME, address=ADDRESS, host_keys=("ssh-ed25519 AAAA",))
INVITE = Invite(managers=(MANAGER,), token=TOKEN, swarm_id=OURS, node_ids=frozenset({"old-id"}))
KEY = Path("/nowhere/key")
YEAR_S = 31_557_600.0


def bring(node: FakeNode, invite: Invite = INVITE, endpoint: Endpoint = ENDPOINT, **wishes: object) -> Joined:
    wanted = replace(Settings(), **wishes)  # type: ignore[arg-type]
    ids = INVITE.node_ids | {node.node_id} if node.swarm_id == OURS and node.joins else invite.node_ids
    return join(endpoint, KEY, replace(invite, node_ids=ids), wanted, log_in=node.log_in, wall=lambda: NOW)


def test_a_healthy_node_costs_one_look_and_one_connection() -> None:
    node = FakeNode()
    joined = bring(node)
    assert joined == Joined(node_id="id-1", steps=("joined",))
    assert (node.swarm_id, node.node_address) == (OURS, ADDRESS)
    assert (len(node.scripts), node.dials) == (1, 1)


def test_a_node_that_is_in_is_left_in_peace() -> None:
    node = FakeNode()
    node.enter(OURS)
    with untouched(node):
        assert bring(node) == Joined(node_id="old-id")


def test_a_dockerd_that_came_up_between_two_looks_is_asked_again() -> None:
    node = FakeNode(late_dials=1)
    assert bring(node).steps == ("joined",)
    assert node.dials == 2
    with pytest.raises(NodeTrouble, match="Docker does not answer"):
        bring(FakeNode(late_dials=2))


def test_the_token_is_in_no_command_and_no_script() -> None:
    node = FakeNode(service="inactive", hostname="raspberrypi", skew_s=-99.0)
    bring(node)
    assert not [text for text in (*node.commands, *node.scripts) if TOKEN in text]
    assert TOKEN not in repr(INVITE)


def test_another_user_than_root_uses_sudo() -> None:
    node = FakeNode(skew_s=-99.0)
    bring(node, endpoint=replace(ENDPOINT, user="pi"))
    assert all(command.startswith("sudo -n ") for command in node.commands), node.commands


@dataclass(frozen=True)
class Fault:
    node: FakeNode
    code: Code
    says: str
    lasting: bool = False


FAULTS = {
    "clock": Fault(
        FakeNode(skew_s=-2 * YEAR_S, clock_fault="date: cannot set date: Operation not permitted"),
        Code.CLOCK,
        "its clock is 2.0 years behind and cannot be set: date: cannot set date: Operation not permitted",
    ),
    "faked clock": Fault(FakeNode(skew_s=3 * 86_400.0, clock_sticks=False), Code.CLOCK, "3.0 days ahead again"),
    "no Docker, no sources": Fault(
        FakeNode(docker=False, installable="E: Unable to locate package docker.io"),
        Code.INSTALL,
        "Docker cannot be installed: Unable to locate package docker.io",
    ),
    "old": Fault(FakeNode(version="19.03.8"), Code.OLD, "its Docker is 19.03.8", lasting=True),
    "full": Fault(FakeNode(free_bytes=50_000_000), Code.DISK, "49 MB free"),
    "NFS": Fault(FakeNode(fs="nfs"), Code.STORAGE, "overlay2 does not work", lasting=True),
    "does not start": Fault(
        FakeNode(service="failed", start_fault="failed to start daemon: no space left"),
        Code.NOT_RUNNING,
        "failed to start daemon: no space left",
    ),
    "token": Fault(FakeNode(valid_token="another"), Code.TOKEN, "A valid join token is necessary"),
    "no way": Fault(
        FakeNode(join_fault="dial tcp 10.77.0.1:2377: connect: no route to host"), Code.MANAGER, "no route to host"
    ),
    "user": Fault(FakeNode(uid=1000), Code.NOT_ROOT, "not root", lasting=True),
    "surprise": Fault(FakeNode(join_fault="the moon is full"), Code.JOIN, "it cannot join: the moon is full"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_mended_is_told_with_its_cause(name: str) -> None:
    fault = replace(FAULTS[name])
    with pytest.raises(NodeTrouble) as told:
        bring(fault.node)
    assert told.value.code is fault.code
    assert fault.says in told.value.message
    assert told.value.lasting is fault.lasting
    assert fault.node.swarm_state == "inactive"
    assert told.value.hint or fault.code is Code.JOIN


@pytest.mark.parametrize(
    ("node", "step"),
    [
        (FakeNode(skew_s=-2 * YEAR_S), "clock set: it was 2.0 years behind"),
        (FakeNode(docker=False), "docker installed"),
        (FakeNode(service="inactive"), "docker started: it was inactive"),
        (FakeNode(fs="nfs", volume=True), "/var/lib/docker is on the node's volume"),
        (FakeNode(hostname="raspberrypi"), "host name set: it was raspberrypi"),
    ],
)
def test_what_can_be_mended_is_and_is_told(node: FakeNode, step: str) -> None:
    joined = bring(node)
    assert step in joined.steps
    assert (node.swarm_id, node.hostname) == (OURS, NAME)
    assert bring(node).steps == ()


def test_docker_is_not_installed_where_that_is_not_wanted() -> None:
    with pytest.raises(NodeTrouble) as told:
        bring(FakeNode(docker=False), install=False)
    assert (told.value.code, told.value.lasting) == (Code.NO_DOCKER, True)


def test_packages_of_the_master_go_to_nodes_they_fit(tmp_path: Path) -> None:
    for name in ("docker.io_1_arm64.deb", "docker.io_1_amd64.deb", "perl_1_all.deb", "notes.txt"):
        (tmp_path / name).touch()
    node = FakeNode(docker=False)
    bring(node, debs=str(tmp_path))
    assert node.debs == ["docker.io_1_arm64.deb", "perl_1_all.deb"]
    (tmp_path / "docker.io_1_arm64.deb").unlink()
    (tmp_path / "perl_1_all.deb").unlink()
    with pytest.raises(NodeTrouble, match="no packages for arm64"):
        bring(FakeNode(docker=False), debs=str(tmp_path))


# --- a node that is in a swarm already ------------------------------------------------------------------


def test_another_swarm_is_reported_and_taken_only_if_told() -> None:
    node = FakeNode()
    node.enter(THEIRS, manager="10.9.9.9:2377")
    with untouched(node), pytest.raises(NodeTrouble) as told:
        bring(node)
    assert (told.value.code, told.value.lasting) == (Code.FOREIGN, True)
    assert "10.9.9.9:2377" in told.value.message
    with untouched(node):
        assert leave(ENDPOINT, KEY, swarm_id=OURS, log_in=node.log_in).node_id == "", "not ours to take out"
    joined = bring(node, take_over=True)
    assert (node.swarm_id, joined.replaced) == (OURS, "")


def test_an_entry_that_is_gone_is_made_anew() -> None:
    node = FakeNode()
    node.enter(OURS, node_id="forgotten")
    joined = bring(node)
    assert (joined.node_id, joined.replaced) == ("id-1", "")


def test_a_docker_that_waits_for_an_entry_that_is_gone_is_not_waited_for() -> None:
    node = FakeNode(service="activating", certified=True)
    node.enter(OURS, node_id="forgotten")
    assert bring(node).steps == ("docker started anew: its entry in the swarm is gone", "joined")


@pytest.mark.parametrize(("swarm", "member"), [(OURS, "old-id"), (THEIRS, "forgotten"), (OURS, "")])
def test_a_docker_that_starts_forgets_no_swarm_that_it_may_be_in(swarm: str, member: str) -> None:
    node = FakeNode(service="activating", certified=bool(member))
    node.enter(swarm, node_id=member or "old-id")
    with untouched(node), contextlib.suppress(NodeTrouble):
        assert bring(node).steps == ("docker started: it was activating",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"hostname": "worker-0-7"}, "it was called worker-0-7"),
        ({"node_address": "10.77.0.99"}, "its address was 10.77.0.99"),
        ({"manager_addresses": ("10.77.0.2:2377",)}, "it looks for the manager at 10.77.0.2:2377"),
        ({"swarm_state": "error"}, "its Docker gave up"),
    ],
)
def test_a_node_whose_identity_changed_leaves_and_joins_again(change: dict[str, object], why: str) -> None:
    node = FakeNode()
    node.enter(OURS)
    for name, value in change.items():
        setattr(node, name, value)
    joined = bring(node)
    assert joined.replaced == "old-id"
    assert any(why in step for step in joined.steps), joined.steps
    assert bring(node).steps == ()


def test_a_node_that_is_told_to_begins_anew() -> None:
    node = FakeNode()
    node.enter(OURS)
    assert bring(node, replace(INVITE, fresh=True)).replaced == "old-id"
    assert bring(FakeNode(), replace(INVITE, fresh=True)).steps == ("joined",)


def test_leaving_tells_which_entry_can_go() -> None:
    node = FakeNode()
    node.enter(OURS)
    assert leave(ENDPOINT, KEY, swarm_id=OURS, log_in=node.log_in).node_id == "old-id"
    assert node.swarm_state == "inactive"
    assert leave(ENDPOINT, KEY, swarm_id=OURS, log_in=node.log_in).node_id == ""


def test_the_registry_is_told_once_and_taken_back() -> None:
    trust = Trust(address=Address(host="10.77.0.1"), ca_pem="its certificate\n")
    node = FakeNode()
    assert "trusts the registry 10.77.0.1:5000" in bring(node, replace(INVITE, registry=trust)).steps
    assert bring(node, replace(INVITE, registry=trust)).steps == ()
    assert bring(node).steps == ("no longer uses the registry 10.77.0.1:5000",)
    node.stamp, node.daemon_json = "", "{"
    with pytest.raises(NodeTrouble) as told:
        bring(node, replace(INVITE, registry=trust))
    assert (told.value.code, told.value.lasting) == (Code.REGISTRY, True)


def test_a_look_changes_nothing() -> None:
    node = FakeNode(skew_s=-2 * YEAR_S, hostname="raspberrypi", service="failed")
    before = replace(node, commands=[], scripts=[])
    found = look(ENDPOINT, KEY, swarm_id=OURS, log_in=node.log_in, wall=lambda: NOW)
    assert (found.membership, found.engine, found.why_not) == (Membership.NONE, None, "docker.service is failed")
    assert found.machine.skew_s == -2 * YEAR_S
    assert replace(node, commands=[], scripts=[]) == before


# --- whatever state it is in ----------------------------------------------------------------------------


@some.composite
def nodes(draw: some.DrawFn) -> FakeNode:
    node = FakeNode(
        hostname=draw(some.sampled_from([NAME, "raspberrypi"])),
        skew_s=draw(some.sampled_from([0.0, 1.5, -600.0, 9e7])),
        clock_fault=draw(some.sampled_from(["", "", "no"])),
        clock_sticks=draw(some.booleans()),
        docker=draw(some.booleans()),
        installable=draw(some.sampled_from(["", "E: no"])),
        service=draw(some.sampled_from(["active", "inactive", "failed"])),
        start_fault=draw(some.sampled_from(["", "no"])),
        fs=draw(some.sampled_from(["ext2/ext3", "nfs", "overlayfs"])),
        volume=draw(some.booleans()),
        free_bytes=draw(some.sampled_from([10**10, 10**7])),
        version=draw(some.sampled_from(["20.10.24+dfsg1", "28.2.2", "18.09.1"])),
        valid_token=draw(some.sampled_from([TOKEN, TOKEN, "another"])),
    )
    if draw(some.booleans()):
        swarm = draw(some.sampled_from([OURS, THEIRS]))
        node.enter(swarm, node_id=draw(some.sampled_from(["old-id", "forgotten"])))
    return node


@settings(deadline=None, max_examples=150)
@given(nodes(), some.booleans())
def test_it_is_in_our_swarm_under_its_name_or_there_is_one_reason(node: FakeNode, take_over: bool) -> None:
    stolen = node.swarm_id == THEIRS
    try:
        joined = bring(node, take_over=take_over)
    except NodeTrouble:
        assert not stolen or take_over or node.swarm_id == THEIRS
        return
    assert (node.swarm_state, node.swarm_id, node.hostname, node.node_id) == ("active", OURS, NAME, joined.node_id)
    assert abs(node.skew_s) <= 10.0
    assert node.free_bytes > 10**8
    assert take_over or not stolen
    assert bring(node, take_over=take_over).steps == (), "a second time has nothing to do"
