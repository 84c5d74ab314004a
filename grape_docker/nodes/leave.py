"""Take a node out of our swarm; of another swarm it is left alone."""

from __future__ import annotations

from pathlib import Path

from grape_docker.nodes import engine, swarming
from grape_docker.nodes.look import look_at_machine
from grape_docker.nodes.membership import membership_of
from grape_docker.nodes.remote import Connect, log_in, opened
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Left, Membership, Tell
from graped.network.ssh_client import Endpoint


def leave(
    endpoint: Endpoint, key: Path, *, swarm_id: str, tell: Tell = lambda _: None, log_in: Connect = log_in
) -> Left:
    """Have the node leave the swarm of this id, drained or not: that is the caller's to see to. Raises: NodeTrouble."""
    with opened(endpoint, key, log_in) as node, engine.opened(node) as api:
        api.dial_early()
        machine = look_at_machine(node)
        try:
            found = engine.info(api)
        except engine.NoAnswer as error:
            raise NodeTrouble(Code.NOT_RUNNING, str(error)) from error
        if membership_of(machine, found, swarm_id, frozenset()) is not Membership.REMOVED:
            return Left()
        swarming.leave(api)
        tell("left the swarm")
        return Left(node_id=found.node_id)
