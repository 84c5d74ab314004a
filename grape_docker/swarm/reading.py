"""What Docker says of a swarm, read into our values (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from grape_docker.model import Availability, Health, Role, Swarm, SwarmNode, TaskFact

Json = Mapping[str, Any]
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
GLOBAL_MODES = frozenset({"Global", "GlobalJob"})
NOWHERE = frozenset({"", "0.0.0.0", "127.0.0.1"})  # noqa: S104 (what a manager says, not where we listen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCount:
    """How many tasks a service wants and has running. ``everywhere``: it is a global one."""

    id: str
    name: str
    desired: int
    running: int
    everywhere: bool = False


def read_swarm(info: Json, nodes: Iterable[Json]) -> Swarm:
    """Put together the swarm as its manager sees it; ``info``: the part Swarm of GET /info."""
    return Swarm(
        id=(info.get("Cluster") or {}).get("ID") or "",
        self_id=info.get("NodeID") or "",
        nodes=tuple(sorted((swarm_node(entry) for entry in nodes), key=lambda node: (node.hostname, node.id))),
    )


def swarm_node(entry: Json) -> SwarmNode:
    """Read one entry of GET /nodes; each of its parts may be missing while a node joins."""
    spec: Json = entry.get("Spec") or {}
    status: Json = entry.get("Status") or {}
    described: Json = entry.get("Description") or {}
    resources: Json = described.get("Resources") or {}
    manages: Json = entry.get("ManagerStatus") or {}
    return SwarmNode(
        id=entry["ID"],
        hostname=described.get("Hostname") or "",
        state=_health(status.get("State")),
        availability=Availability(spec.get("Availability") or Availability.ACTIVE),
        role=Role(spec.get("Role") or Role.WORKER),
        labels=dict(spec.get("Labels") or {}),
        address=_address(status, manages),
        version=entry["Version"]["Index"],
        engine=(described.get("Engine") or {}).get("EngineVersion") or "",
        created=_moment(entry.get("CreatedAt")),
        leader=bool(manages.get("Leader")),
        reachable=manages.get("Reachability") != "unreachable",
        nano_cpus=resources.get("NanoCPUs") or 0,
        memory_bytes=resources.get("MemoryBytes") or 0,
        message=status.get("Message") or "",
    )


def _health(word: str | None) -> Health:
    return Health(word) if word in set(Health) else Health.UNKNOWN


def _address(status: Json, manages: Json) -> str | None:
    """Return a node's address. A manager may see itself as 0.0.0.0: then the one it gives to the others is true."""
    seen: str = status.get("Addr") or ""
    return (host_of(manages.get("Addr") or "") if seen in NOWHERE else seen) or None


def host_of(address: str) -> str:
    """Return the host of ``host:port``; the brackets of IPv6 go, and an address without a port stays as it is."""
    host, _, port = address.rpartition(":")
    bare = ":" in host and not host.endswith("]")  # an IPv6 address without a port
    return address.strip("[]") if bare or not host or not port.isdigit() else host.strip("[]")


def _moment(text: object) -> float:
    """Return the unix seconds of Docker's ``2026-11-26T22:00:00.123456789Z``."""
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) and text else 0.0


def task_fact(entry: Json, services: Mapping[str, Json]) -> TaskFact:
    """Read one entry of GET /tasks; ``services``: entries of GET /services by id, where they are still there."""
    status: Json = entry.get("Status") or {}
    spec: Json = entry.get("Spec") or {}
    placement: Json = spec.get("Placement") or {}
    reserved: Json = (spec.get("Resources") or {}).get("Reservations") or {}
    service_id: str = entry.get("ServiceID") or ""
    service: Json = (services.get(service_id) or {}).get("Spec") or {}
    return TaskFact(
        id=entry["ID"],
        service=service.get("Name") or service_id,
        node_id=entry.get("NodeID") or None,
        state=status.get("State") or "",
        desired=entry.get("DesiredState") or "",
        error=status.get("Err") or "",
        slot=entry.get("Slot") or 0,
        everywhere=is_global(service),
        max_per_node=placement.get("MaxReplicas") or 0,
        constraints=tuple(placement.get("Constraints") or ()),
        nano_cpus=reserved.get("NanoCPUs") or 0,
        memory_bytes=reserved.get("MemoryBytes") or 0,
    )


def is_global(service_spec: Json) -> bool:
    """Whether a service has one task on each node."""
    return bool(GLOBAL_MODES & set(service_spec.get("Mode") or {}))


def alive(entry: Json) -> bool:
    """Whether a task is more than history: it has not ended yet."""
    return ((entry.get("Status") or {}).get("State") or "") not in ENDED


def is_pending(task: TaskFact) -> bool:
    """Whether a task waits for a node that could take it; Docker says why in ``error``."""
    return task.state == "pending" and task.node_id is None and task.desired in ("running", "ready", "complete")


def service_count(entry: Json) -> ServiceCount:
    """Read one entry of GET /services?status=true."""
    counts: Json = entry.get("ServiceStatus") or {}
    return ServiceCount(
        id=entry["ID"],
        name=entry["Spec"]["Name"],
        desired=counts.get("DesiredTasks") or 0,
        running=counts.get("RunningTasks") or 0,
        everywhere=is_global(entry["Spec"]),
    )
