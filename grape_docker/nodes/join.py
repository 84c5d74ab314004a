"""Bring a node into the swarm, whatever it is missing."""

from __future__ import annotations

import time
from pathlib import Path

from grape_docker.nodes import clock, engine, install, naming, running, storage, swarming, trusting
from grape_docker.nodes.engine import NodeApi
from grape_docker.nodes.look import Wall, look_at_machine
from grape_docker.nodes.membership import is_removed, membership_of, why_anew
from grape_docker.nodes.remote import Connect, Remote, log_in, opened
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Engine, Invite, Joined, Machine, Membership, Tell, Wishes
from graped.network.ssh_client import Endpoint


def join(
    endpoint: Endpoint,
    key: Path,
    invite: Invite,
    wishes: Wishes,
    tell: Tell = lambda _: None,
    *,
    log_in: Connect = log_in,
    wall: Wall = time.time,
) -> Joined:
    """Have the node in our swarm under ``endpoint.name``; blocks: a second, minutes where Docker is installed.

    Idempotent: a node that is in already is looked at, and joins anew only if its name or address has changed.
    ``tell`` takes what was done, one line a step. Raises: NodeTrouble.
    """
    with opened(endpoint, key, log_in) as node, engine.opened(node) as api:
        return _Joining(node, api, invite, wishes, tell, wall).run()


class _Joining:
    """One attempt: mend the machine, then its Docker, then join."""

    def __init__(self, node: Remote, api: NodeApi, invite: Invite, wishes: Wishes, tell: Tell, wall: Wall) -> None:
        self._node = node
        self._api = api
        self._invite = invite
        self._wishes = wishes
        self._tell = tell
        self._wall = wall
        self._steps: list[str] = []
        self._renamed = ""

    def run(self) -> Joined:
        """Do it. Raises: NodeTrouble, GrapeError of the session."""
        self._api.dial_early()  # the client over there takes as long to start as our look takes
        machine = self._mend(look_at_machine(self._node, self._wall))
        found = self._engine()
        install.check_version(found, self._wishes.min_version)
        return self._enter(machine, found)

    def _mend(self, machine: Machine) -> Machine:
        """Bring the machine into a state that Docker can run in; a healthy one costs nothing."""
        if machine.uid != 0:
            hint = "root, or a user who may do all by sudo without a password"
            raise NodeTrouble(Code.NOT_ROOT, "the user that we log in as is not root there", hint=hint, lasting=True)
        if clock.is_off(machine):
            self._did(clock.repair(self._node, machine, self._wall))
        if storage.needs_volume(machine):
            self._did(storage.mount_volume(self._node, machine))
            self._api.hang_up()
            machine = look_at_machine(self._node, self._wall)
        storage.check_room(machine.data)
        if not machine.docker:
            self._did(install.install(self._node, machine, self._wishes, self._tell))
            self._api.hang_up()
            machine = look_at_machine(self._node, self._wall)
        if machine.hostname != self._node.name:
            self._did(naming.rename(self._node, machine.hostname))
            self._renamed = machine.hostname
        if not trusting.is_told(machine, self._invite.registry):
            self._did(trusting.tell_node(self._node, machine, self._invite.registry))
        if machine.service == "activating" and is_removed(machine, self._invite):
            self._api.hang_up()  # who waits at its socket would start it again
            self._did(running.forget(self._node, machine))
        elif machine.service not in {"active", ""}:
            self._did(running.start(self._node, machine))
            self._api.hang_up()
        return machine

    def _engine(self) -> Engine:
        try:
            return self._ask()
        except engine.NoAnswer as error:
            hint = "systemctl status docker on the node"
            raise NodeTrouble(Code.NOT_RUNNING, str(error), hint=hint) from error

    def _ask(self) -> Engine:
        """Ask once more where the early connection met a dockerd that was not there yet; a silent one is told."""
        try:
            return engine.info(self._api)
        except engine.NoAnswer as error:
            if error.silent:
                raise
            self._api.hang_up()
            return engine.info(self._api)

    def _enter(self, machine: Machine, found: Engine) -> Joined:
        """Leave what it is in, if that is not what it should be in; then join."""
        if found.swarm_state == "pending" and not is_removed(machine, self._invite):
            found = swarming.settled(self._api)
        where = membership_of(machine, found, self._invite.swarm_id, self._invite.node_ids)
        former = ""
        if where is Membership.OURS:
            why = why_anew(machine, found, self._invite, address=self._node.address, renamed=self._renamed)
            if not why:
                return self._joined(machine, found, "")
            former = found.node_id
            self._leave(f"left the swarm to join it anew: {why}")
        elif where is Membership.REMOVED:
            self._leave("left the swarm: its entry there is gone")
        elif where in {Membership.FOREIGN, Membership.LOCKED}:
            self._leave_foreign(found, where)
        advertise = self._node.address if self._node.address in machine.addresses else None
        self._did("joined", tell=False)
        return self._joined(machine, swarming.join(self._api, self._invite, advertise), former)

    def _leave(self, step: str) -> None:
        swarming.leave(self._api)
        self._did(step)

    def _leave_foreign(self, found: Engine, where: Membership) -> None:
        what = "a locked swarm" if where is Membership.LOCKED else f"another swarm ({', '.join(found.managers) or '?'})"
        if not self._wishes.take_over:
            hint = "docker swarm leave --force on the node, or docker.take_over = true"
            code = Code.LOCKED if where is Membership.LOCKED else Code.FOREIGN
            raise NodeTrouble(code, f"it is in {what}", hint=hint, lasting=True)
        self._leave(f"taken out of {what}")

    def _joined(self, machine: Machine, found: Engine, replaced: str) -> Joined:
        return Joined(
            node_id=found.node_id,
            steps=tuple(self._steps),
            warnings=storage.warnings(machine, found),
            replaced=replaced,
        )

    def _did(self, step: str, *, tell: bool = True) -> None:
        self._steps.append(step)
        if tell:
            self._tell(step)
