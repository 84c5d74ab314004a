"""The swarm on the master: found or adopted, read, changed. Blocking; safe to call from many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from docker.errors import APIError

from grape_docker.model import Availability, Health, Role, Settings, Swarm, TaskFact
from grape_docker.swarm import founding, reading
from grape_docker.swarm.engine import DEFAULT_URL, TIMEOUT_S, Engine
from grape_docker.swarm.errors import NotManager
from grape_docker.swarm.events import SwarmEvent, listen
from grape_docker.swarm.reading import ServiceCount
from graped.errors import NotFound

T = TypeVar("T")

TRIES = 8  # a node's entry changes with its status; each collision costs one look and one write


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What lets a node join, by the role it gets. Secrets: never printed, logged or put into argv."""

    worker: str = field(repr=False)
    manager: str = field(repr=False)


class Manager:
    """The master's side of the swarm. ``settings`` may be replaced at any time; it counts from the next call on."""

    def __init__(self, settings: Settings, base_url: str = DEFAULT_URL, *, timeout_s: float = TIMEOUT_S) -> None:
        self.settings = settings
        self.engine = Engine(base_url, timeout_s=timeout_s)

    # --- is there one -----------------------------------------------------------------------------------

    def ensure(self) -> founding.Founded:
        """Make a swarm where Docker is in none; adopt the one it manages, without changing anything of it.

        Raises ForeignSwarm (it works for others), SwarmLocked, SwarmBusy (still starting), DockerUnreachable,
        DockerDenied, DockerError (e.g. the address to advertise is not on this machine).
        """
        return founding.ensure(self.engine, self.settings)

    # --- read -------------------------------------------------------------------------------------------

    def swarm(self) -> Swarm:
        """Read all entries of the swarm. Raises NotManager where the master manages none; and see Engine.call."""
        info = self._info()
        return reading.read_swarm(info, self._ask("reading the swarm's nodes", lambda client: client.nodes()))

    def tasks(self) -> tuple[TaskFact, ...]:
        """Read all tasks that have not ended; a task's service is its name."""
        found = self._ask("reading the swarm's tasks", lambda client: client.tasks())
        services = {entry["ID"]: entry for entry in self._services()}
        return tuple(reading.task_fact(entry, services) for entry in found if reading.alive(entry))

    def pending(self) -> tuple[TaskFact, ...]:
        """Read the tasks that no node can take now; ``error`` has Docker's reason."""
        return tuple(task for task in self.tasks() if reading.is_pending(task))

    def services(self) -> tuple[ServiceCount, ...]:
        """Read what each service wants and has; sorted by name."""
        return tuple(sorted(map(reading.service_count, self._services()), key=lambda count: count.name))

    def addresses(self) -> tuple[str, ...]:
        """Return where nodes reach the managers: "10.77.0.1:2377", this master's first."""
        info = self._info()
        peers = info.get("RemoteManagers") or []
        peers.sort(key=lambda peer: peer.get("NodeID") != info.get("NodeID"))
        return tuple(peer["Addr"] for peer in peers)

    def events(self, stop: threading.Event) -> Iterator[SwarmEvent]:
        """Tell what changes in the swarm until ``stop`` is set; connects again for ever, see :func:`listen`."""
        return listen(self.engine, stop)

    # --- change -----------------------------------------------------------------------------------------

    def update(
        self,
        node_id: str,
        *,
        labels: Mapping[str, str | None] | None = None,
        availability: Availability | None = None,
        role: Role | None = None,
    ) -> bool:
        """Change what is given of a node's entry in one write, all else of it kept; return whether anything changed.

        ``labels``: a None takes the label away; labels that are not named stay.
        Raises NotFound where the entry is gone; and see Engine.call.
        """

        def change(spec: dict[str, Any]) -> dict[str, Any]:
            wanted = dict(spec)
            if labels is not None:
                wanted["Labels"] = changed_labels(spec.get("Labels") or {}, labels)
            if availability is not None:
                wanted["Availability"] = availability.value
            if role is not None:
                wanted["Role"] = role.value
            return wanted

        return self._change(node_id, change)

    def set_labels(self, node_id: str, labels: Mapping[str, str | None]) -> bool:
        """Set, change or take away labels of an entry; see :meth:`update`."""
        return self.update(node_id, labels=labels)

    def set_availability(self, node_id: str, availability: Availability) -> bool:
        """Have a node take tasks, or not; see :meth:`update`."""
        return self.update(node_id, availability=availability)

    def set_role(self, node_id: str, role: Role) -> bool:
        """Promote or demote a node; see :meth:`update`."""
        return self.update(node_id, role=role)

    def remove(self, node_id: str, *, force: bool = False) -> bool:
        """Remove an entry; return False where it was gone already. A manager that is down is demoted first.

        Docker refuses to remove a node that is not down (DockerError), unless ``force``.
        """

        def work(client: Any) -> None:
            found = reading.swarm_node(client.inspect_node(node_id))
            if found.role is Role.MANAGER and (force or found.state is Health.DOWN):
                self.set_role(node_id, Role.WORKER)
            client.remove_node(node_id, force=force)

        try:
            self._ask("removing an entry", work)
        except NotFound:
            return False
        return True

    # --- tokens -----------------------------------------------------------------------------------------

    def tokens(self) -> Tokens:
        """Read what lets a node join."""
        return _tokens(self._ask("reading the swarm", lambda client: client.inspect_swarm()))

    def rotate(self) -> Tokens:
        """Make both tokens anew: the old ones let nobody join any more; nodes that are in stay in."""

        def once(client: Any) -> bool:
            found = client.inspect_swarm()
            client.update_swarm(
                found["Version"]["Index"], found["Spec"], rotate_worker_token=True, rotate_manager_token=True
            )
            return True

        self._written("rotating the tokens", once)
        return self.tokens()

    # --- inside -----------------------------------------------------------------------------------------

    def _services(self) -> list[dict[str, Any]]:
        return list(self._ask("reading the swarm's services", lambda client: client.services(status=True)))

    def _info(self) -> dict[str, Any]:
        return dict(self.engine.call("reading the state of the swarm", lambda client: client.info())["Swarm"])

    def _change(self, node_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        def once(client: Any) -> bool:
            found = client.inspect_node(node_id)
            wanted = change(found["Spec"])
            if wanted == found["Spec"]:
                return False
            client.update_node(node_id, found["Version"]["Index"], wanted)
            return True

        return self._written("changing an entry", once)

    def _written(self, doing: str, once: Callable[[Any], bool]) -> bool:
        """Look, change and write back whole; again where somebody else wrote in between."""

        def work(client: Any) -> bool:
            for _ in range(TRIES - 1):
                try:
                    return once(client)
                except APIError as error:
                    if not out_of_sequence(error):
                        raise
            return once(client)

        return self._ask(doing, work)

    def _ask(self, doing: str, work: Callable[[Any], T]) -> T:
        """Do ``work``, which a manager alone can; tell why it is none."""
        try:
            return self.engine.call(doing, work)
        except NotManager as error:
            raise founding.why_not(error, self._info()) from error


def changed_labels(found: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the labels of an entry after some were set or taken away (None)."""
    merged = {**found, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _tokens(swarm: Mapping[str, Any]) -> Tokens:
    return Tokens(worker=swarm["JoinTokens"]["Worker"], manager=swarm["JoinTokens"]["Manager"])


def out_of_sequence(error: APIError) -> bool:
    """Whether somebody else wrote the object between our look and our write."""
    return "out of sequence" in str(error.explanation or error).lower()
