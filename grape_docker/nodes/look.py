"""Look at a node: one script for the machine, one question to its Docker; nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from grape_docker.nodes import engine
from grape_docker.nodes.facts import machine_of
from grape_docker.nodes.membership import membership_of
from grape_docker.nodes.remote import Connect, Remote, log_in, opened, script_of
from grape_docker.nodes.values import Engine, Machine, NodeState
from graped.network.ssh_client import Endpoint

Wall = Callable[[], float]


def look(
    endpoint: Endpoint,
    key: Path,
    *,
    swarm_id: str,
    node_ids: Iterable[str] = (),
    log_in: Connect = log_in,
    wall: Wall = time.time,
) -> NodeState:
    """Say how a node is, and how it stands to our swarm. Raises: NodeTrouble (SSH alone)."""
    with opened(endpoint, key, log_in) as node:
        return look_at(node, swarm_id, frozenset(node_ids), wall)


def look_at(node: Remote, swarm_id: str, node_ids: frozenset[str], wall: Wall = time.time) -> NodeState:
    """The same on a session that is open."""
    machine = look_at_machine(node, wall)
    found, why_not = look_at_engine(node, machine)
    return NodeState(
        machine=machine,
        engine=found,
        membership=membership_of(machine, found, swarm_id, node_ids),
        why_not=why_not,
    )


def look_at_machine(node: Remote, wall: Wall = time.time) -> Machine:
    """Ask the machine. Raises: CommandFailed, SshError."""
    asked = wall()
    text = node.script(script_of("look.sh"), what="looking at the machine").stdout
    return machine_of(text, asked=asked, answered=wall())


def look_at_engine(node: Remote, machine: Machine) -> tuple[Engine | None, str]:
    """Ask its Docker where one should answer; (None, why) where none does."""
    if not machine.docker:
        return None, "Docker is not installed"
    if machine.service not in {"active", ""}:
        return None, f"docker.service is {machine.service}"
    try:
        with engine.opened(node) as api:
            return engine.info(api), ""
    except engine.NoAnswer as error:
        return None, str(error)
