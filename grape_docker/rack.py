"""graped's side: its snapshot, its configuration, how to reach a node, and what we ask of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from grape_docker import facts
from grape_docker import settings as reading
from grape_docker.model import Hold, Rack, Settings
from graped.api import types
from graped.api.client import Client
from graped.errors import GrapeError, TimedOut, Untrusted
from graped.network.ssh_client import Endpoint

KEY_NAME = "grape_docker"  # under which graped knows our key
INSTALL_S = 60.0  # graped logs in on the node, perhaps a slow one


class KeyNotInstalled(GrapeError):
    """graped could not put our key on a node."""

    code = "key_not_installed"
    title = "grape_docker's key is not on the node"


def settings(client: Client) -> Settings:
    """Read the configuration. Raises: what the client raises."""
    values = client.get("/v1/config")["values"]
    return reading.read(types.ConfigValue(**one) for one in values)


def snapshot(client: Client, holds: Iterable[Hold] = ()) -> Rack:
    """Read the cluster as it is. Raises: what the client raises."""
    return facts.rack(_status().validate_python(client.get("/v1/status")), holds)


@cache
def _status() -> TypeAdapter[types.Status]:
    """Make the reader once: that takes ten times as long as reading."""
    return TypeAdapter(types.Status)


def expand(client: Client, expression: str) -> tuple[str, ...]:
    """Resolve a node set as graped does. Raises: BadNodeSet, UnknownNode; and what the client raises."""
    return tuple(client.get("/v1/nodeset", nodes=expression)["names"])


def endpoint(client: Client, name: str) -> Endpoint:
    """Tell how to log in on a node. Raises: what the client raises; Untrusted where its keys are not pinned."""
    told = client.get(f"/v1/nodes/{name}/ssh")
    if not told["trusted"]:
        raise Untrusted(f"{name}: {told['why'] or 'no host key is pinned'}", hint=f"grapecli node trust {name}")
    return Endpoint(
        name=name,
        address=str(told["address"]),
        port=int(told["port"]),
        user=str(told["user"]),
        host_keys=tuple(told["host_keys"]),
    )


def register_key(client: Client, public_line: str) -> None:
    """Have graped put our key into every root it makes. Idempotent."""
    client.post("/v1/keys", {"name": KEY_NAME, "public_key": public_line})


def install_key(client: Client, names: Iterable[str]) -> None:
    """Have graped put our key on nodes that run, and wait for it. Raises: KeyNotInstalled, TimedOut."""
    job = client.post(f"/v1/keys/{KEY_NAME}/install", {"nodes": list(names)})
    job = client.get(f"/v1/jobs/{job['id']}", wait_s=INSTALL_S, until="ended")
    if job["ended"] is None:
        raise TimedOut(f"graped did not put our key on a node within {INSTALL_S:g} s")
    if job["outcome"] != "done":
        raise KeyNotInstalled(_why(job), hint=str(job.get("hint") or ""))


def switch(client: Client, verb: str, names: Iterable[str]) -> int:
    """Ask for power; return the job. Guards and soft-off are never skipped."""
    return int(client.post("/v1/power", {"nodes": list(names), "verb": verb})["id"])


def _why(job: dict[str, Any]) -> str:
    reasons = [str(task["reason"]) for task in job["tasks"] if task["reason"]]
    return "; ".join(reasons) or str(job["reason"]) or f"job {job['id']} ended as {job['outcome']}"
