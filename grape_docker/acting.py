"""What an action of the plan is: calls to the swarm's manager, and work on a node over SSH. Blocking, in threads."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from grape_docker import rack
from grape_docker.inbox import WorkDone
from grape_docker.model import (
    Action,
    Join,
    Leave,
    Remove,
    SetAvailability,
    SetLabels,
    SetRole,
    Settings,
    Swarm,
    Trouble,
)
from grape_docker.nodes import join as joining
from grape_docker.nodes import leave as leaving
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.trusting import stamp_of
from grape_docker.nodes.values import Invite, Joined
from grape_docker.registry.errors import RegistryError
from grape_docker.registry.place import Place
from grape_docker.registry.trust import Trust, read_trust
from grape_docker.swarm.errors import DockerError
from grape_docker.swarm.manager import Manager
from graped.api.client import Client
from graped.errors import GrapeError, NotFound

log = logging.getLogger("grape_docker")

DROP_TRIES, DROP_S = 60, 0.5  # three heartbeats of the default, and more

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the plan was made from."""

    settings: Settings
    swarm: Swarm


class Hands:
    """Do what was planned for one node. Safe to use from many threads: each call has a client of its own."""

    def __init__(
        self,
        client: Callable[[], Client],
        manager: Manager,
        key: Path,
        place: Place,
        *,
        join: Callable[..., Joined] = joining.join,
        leave: Callable[..., object] = leaving.leave,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._manager = manager
        self._key = key
        self._place = place
        self._join = join
        self._leave = leave
        self._wall = wall

    def work(self, name: str, actions: Iterable[Action], situation: Situation, tell: Tell) -> WorkDone:
        """Do the actions of one node, in order, up to the first that fails. Raises nothing that is expected."""
        did: list[str] = []
        own_id: str | None = None
        told: str | None = None
        left = False
        try:
            for action in actions:
                if isinstance(action, Join):
                    invite = self._invite(situation, fresh=action.fresh)
                    joined = self._bring_in(action, invite, situation, tell)
                    told = stamp_of(invite.registry)
                    own_id = joined.node_id
                    if joined.steps or joined.warnings:  # else it was in already, and all is well
                        did.append("; ".join(("in the swarm", *joined.steps, *joined.warnings)))
                else:
                    did += self._do(action, situation, tell)
                    left |= isinstance(action, Leave)
        except NodeTrouble as error:
            trouble = Trouble(
                name=name, code=str(error.code), message=error.message, hint=error.hint, since=self._wall()
            )
            return WorkDone(name=name, trouble=trouble, lasting=error.lasting, lines=tuple(did))
        except (GrapeError, OSError) as error:
            return WorkDone(name=name, trouble=trouble_of(name, error, self._wall()), lines=tuple(did))
        return WorkDone(name=name, own_id=own_id, registry=told, left=left, lines=tuple(did))

    def _do(
        self, action: Leave | SetLabels | SetAvailability | SetRole | Remove, now: Situation, tell: Tell
    ) -> list[str]:
        """Do anything but a join; return what there is to tell."""
        match action:
            case Leave():
                tell("leaving the swarm")
                where = rack.endpoint(self._client(), action.name)
                self._leave(where, self._key, swarm_id=now.swarm.id, tell=tell)
                return [f"left the swarm: {action.why}"]
            case SetLabels() | SetAvailability() | SetRole() | Remove():
                try:
                    return self._change(action)
                except NotFound:
                    return []  # the entry is gone: no failure, the next look shows it
        assert_never(action)

    def _change(self, action: SetLabels | SetAvailability | SetRole | Remove) -> list[str]:
        """Change an entry of the swarm; return what there is to tell."""
        entry = action.node_id
        match action:
            case SetLabels():
                self._manager.set_labels(entry, action.labels)
                return []
            case SetAvailability():
                changed = self._manager.set_availability(entry, action.availability)
                return [f"{action.availability}: {action.why}"] if changed else []
            case SetRole():
                changed = self._manager.set_role(entry, action.role)
                return [f"{action.role}: {action.why}"] if changed else []
            case Remove():
                removed = self._manager.remove(entry)
                return [f"entry {entry} removed: {action.why}"] if removed else []
        assert_never(action)

    def _bring_in(self, action: Join, invite: Invite, now: Situation, tell: Tell) -> Joined:
        """Have a node join; where it does not know our key yet, graped puts it there, and once more."""
        tell("joining the swarm")
        where = rack.endpoint(self._client(), action.name)
        try:
            joined = self._join(where, self._key, invite, now.settings, tell)
        except NodeTrouble as error:
            if error.code is not Code.SSH_DENIED:
                raise
            tell("having graped put our key there")
            rack.install_key(self._client(), [action.name])
            joined = self._join(where, self._key, invite, now.settings, tell)
        if joined.replaced and joined.replaced != joined.node_id:
            self._drop(joined.replaced, action.name, now.swarm)
        return joined

    def _drop(self, node_id: str, name: str, swarm: Swarm) -> None:
        """Remove the entry that a node says it has just left.

        A node is not believed about entries of other names: those go only when the managers see that they are down.
        """
        own = any(one.id == node_id and one.hostname == name for one in swarm.nodes)
        for _ in range(0 if own else DROP_TRIES):
            with contextlib.suppress(DockerError):
                self._manager.remove(node_id)
                return
            time.sleep(DROP_S)
        if own:
            self._manager.remove(node_id, force=True)

    def _invite(self, now: Situation, *, fresh: bool) -> Invite:
        return Invite(
            managers=self._manager.addresses(),
            token=self._manager.tokens().worker,
            swarm_id=now.swarm.id,
            node_ids=frozenset(one.id for one in now.swarm.nodes),
            registry=self._registry(now.settings),
            fresh=fresh,
        )

    def registry_stamp(self, settings: Settings) -> str | None:
        """Say in short what nodes have to know of the registry; None where it is not there yet."""
        if not settings.registry:
            return ""
        try:
            return stamp_of(read_trust(self._place))
        except RegistryError:
            return None

    def _registry(self, settings: Settings) -> Trust | None:
        """What nodes have to know of the registry; a registry that is not there yet keeps no node out."""
        if not settings.registry:
            return None
        try:
            return read_trust(self._place)
        except RegistryError as error:
            log.warning("nodes are not told of the registry: %s", error)
            return None


def trouble_of(name: str, error: Exception, since: float) -> Trouble:
    """Say what an error is for a node ("" for the swarm itself)."""
    if isinstance(error, GrapeError):
        return Trouble(name=name, code=error.code, message=error.detail, hint=error.hint, since=since)
    return Trouble(name=name, code="system", message=str(error), since=since)
