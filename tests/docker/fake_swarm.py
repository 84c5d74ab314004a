"""A Docker engine that behaves as the manager of a swarm does; ``fake_engine`` serves it on a socket.

What it does was seen on dockerd 20.10: updates replace the whole spec and need the version of the last look; entries
of nodes that are not down cannot be removed.
"""

from __future__ import annotations

import json
import queue
import threading
import uuid
from typing import Any

from tests.docker.fake_images import FakeImages, Refused

Json = dict[str, Any]
ROLES = ("worker", "manager")
AVAILABILITIES = ("active", "pause", "drain")
NOT_MANAGER = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" and try again.'
LOCKED = "Swarm is encrypted and needs to be unlocked before it can be used."
OUT_OF_SEQUENCE = "rpc error: code = Unknown desc = update out of sequence"


def fresh() -> str:
    """An id as Docker makes them: 25 letters and digits."""
    return uuid.uuid4().hex[:25]


class Cluster:
    """What all engines of one swarm share. Each write gives what it wrote a new version."""

    def __init__(self, spec: Json, pool: list[str] | None, bits: int | None) -> None:
        self.id = fresh()
        self.index = 10
        self.spec = {"Name": "default", "Labels": {}, "Orchestration": {"TaskHistoryRetentionLimit": 5}, **spec}
        self.spec.setdefault("Dispatcher", {"HeartbeatPeriod": 5_000_000_000})
        self.version = self.index
        self.pool, self.bits = pool or ["10.0.0.0/8"], bits or 24
        self.tokens = {"Worker": f"SWMTKN-1-{fresh()}", "Manager": f"SWMTKN-1-{fresh()}"}
        self.nodes: dict[str, Json] = {}
        self.services: list[Json] = []
        self.tasks: list[Json] = []

    def bump(self) -> int:
        """Return the next version."""
        self.index += 1
        return self.index


class FakeEngine:
    """One engine. ``state``: the words of LocalNodeState; ``control``: it manages the swarm."""

    def __init__(self, hostname: str = "master", address: str = "10.77.0.1") -> None:
        self.hostname = hostname
        self.address = address
        self.state = "inactive"
        self.control = False
        self.error = ""
        self.node_id = ""
        self.cluster: Cluster | None = None
        self.others: list[Json] = []  # RemoteManagers where it manages nothing itself
        self.inits: list[Json] = []
        self.refusal = ""  # what making a swarm is refused with
        self.interfere = 0  # so many looks at an entry are followed by somebody else's write
        self.broken: tuple[int, str] | None = None  # what everything of the swarm is answered with
        self.images = FakeImages()
        self.lock = threading.RLock()  # held by each request
        self.listeners: list[queue.SimpleQueue[Json | None]] = []

    # --- what happens in the swarm, by the test -----------------------------------------------------------

    def add_node(self, hostname: str, *, role: str = "worker", state: str = "ready", address: str = "") -> str:
        """A node joins; return its id."""
        with self.lock:
            node_id = fresh()
            self.made.nodes[node_id] = {
                "ID": node_id,
                "Version": {"Index": self.made.bump()},
                "CreatedAt": "2026-11-26T22:00:00.123456789Z",
                "Spec": {"Labels": {}, "Role": role, "Availability": "active"},
                "Description": {
                    "Hostname": hostname,
                    "Resources": {"NanoCPUs": 4_000_000_000, "MemoryBytes": 1 << 30},
                    "Engine": {"EngineVersion": "20.10.24"},
                },
                "Status": {"State": state, "Addr": address or "10.77.1.1"},
            }
            if role == "manager":
                self._manages(self.made.nodes[node_id], address)
        self.tell("node", "create", node_id)
        return node_id

    def set_state(self, node_id: str, state: str) -> None:
        """A node comes or goes."""
        with self.lock:
            entry = self.made.nodes[node_id]
            entry["Status"]["State"] = state
            entry["Version"]["Index"] = self.made.bump()
        self.tell("node", "update", node_id, **{"state.new": state})

    def tell(self, kind: str, action: str, node_id: str, **fields: str) -> None:
        """Tell all who listen to events."""
        event = {"Type": kind, "Action": action, "Actor": {"ID": node_id, "Attributes": fields}}
        with self.lock:
            for listener in self.listeners:
                listener.put(event)

    def drop_listeners(self) -> None:
        """End all event streams, as a restart does."""
        with self.lock:
            for listener in self.listeners:
                listener.put(None)

    @property
    def made(self) -> Cluster:
        """The swarm. Raises Refused where this engine manages none."""
        if self.broken:
            raise Refused(*self.broken)
        if self.state == "locked":
            raise Refused(503, LOCKED)
        if self.cluster is None or not self.control:
            raise Refused(503, NOT_MANAGER)
        return self.cluster

    # --- what the API does --------------------------------------------------------------------------------

    def info(self, _query: Json, _body: Json) -> Json:
        peers = self.others
        if self.control and self.cluster:
            found = self.cluster.nodes.values()
            peers = [{"NodeID": n["ID"], "Addr": n["ManagerStatus"]["Addr"]} for n in found if "ManagerStatus" in n]
        told = {"LocalNodeState": self.state, "ControlAvailable": self.control, "NodeID": self.node_id}
        told |= {"NodeAddr": self.address if self.node_id else "", "RemoteManagers": peers or None, "Error": self.error}
        if self.control and self.cluster:
            told["Cluster"] = {"ID": self.cluster.id}
        return {"Swarm": told, "Name": self.hostname}

    def init(self, _query: Json, body: Json) -> str:
        if self.state != "inactive":
            raise Refused(503, "This node is already part of a swarm.")
        if self.refusal:
            raise Refused(400, self.refusal)
        self.inits.append(body)
        self.cluster = Cluster(body.get("Spec") or {}, body.get("DefaultAddrPool"), body.get("SubnetSize"))
        self.state, self.control = "active", True
        self.address = (body.get("AdvertiseAddr") or self.address).partition(":")[0]
        self.node_id = self.add_node(self.hostname, role="manager", address=self.address)
        self.cluster.nodes[self.node_id]["ManagerStatus"]["Leader"] = True
        return self.node_id

    def swarm(self, _query: Json, _body: Json) -> Json:
        made = self.made
        told = {"ID": made.id, "Version": {"Index": made.version}, "Spec": made.spec, "JoinTokens": made.tokens}
        return told | {"DefaultAddrPool": made.pool, "SubnetSize": made.bits}

    def update_swarm(self, query: Json, body: Json) -> None:
        made = self.made
        if int(query["version"]) != made.version:
            raise Refused(500, OUT_OF_SEQUENCE)
        made.spec, made.version = body, made.bump()
        for kind in ("Worker", "Manager"):
            if query.get(f"rotate{kind}Token", "").lower() in ("1", "true"):
                made.tokens[kind] = f"SWMTKN-1-{fresh()}"

    def nodes(self, _query: Json, _body: Json) -> list[Json]:
        return list(self.made.nodes.values())

    def node(self, _query: Json, _body: Json, node_id: str) -> Json:
        found = json.loads(json.dumps(self._entry(node_id)))
        if self.interfere:
            self.interfere -= 1
            entry = self._entry(node_id)
            entry["Version"]["Index"] = self.made.bump()
            entry["Spec"]["Labels"][f"other{self.interfere}"] = "written in between"
        return dict(found)

    def update_node(self, query: Json, body: Json, node_id: str) -> None:
        entry = self._entry(node_id)
        if int(query["version"]) != entry["Version"]["Index"]:
            raise Refused(500, OUT_OF_SEQUENCE)
        if body.get("Role") not in ("worker", "manager") or body.get("Availability") not in (
            "active",
            "pause",
            "drain",
        ):
            raise Refused(400, "invalid Role or Availability")
        entry["Spec"] = {"Labels": body.get("Labels") or {}, **body}
        entry["Version"]["Index"] = self.made.bump()
        if body["Role"] == "manager":
            self._manages(entry, entry["Status"]["Addr"])
        else:
            entry.pop("ManagerStatus", None)
        self.tell("node", "update", node_id)

    def remove_node(self, query: Json, _body: Json, node_id: str) -> None:
        entry = self._entry(node_id)
        if entry["Spec"]["Role"] == "manager":
            raise Refused(500, f"rpc error: code = FailedPrecondition desc = node {node_id} is a cluster manager")
        if entry["Status"]["State"] != "down" and query.get("force") not in ("1", "True", "true"):
            raise Refused(500, f"rpc error: code = FailedPrecondition desc = node {node_id} is not down")
        del self.made.nodes[node_id]
        self.tell("node", "remove", node_id)

    def services(self, _query: Json, _body: Json) -> list[Json]:
        return self.made.services

    def tasks(self, _query: Json, _body: Json) -> list[Json]:
        return self.made.tasks

    def _entry(self, node_id: str) -> Json:
        try:
            return self.made.nodes[node_id]
        except KeyError:
            raise Refused(404, f"node {node_id} not found") from None

    @staticmethod
    def _manages(entry: Json, address: str) -> None:
        entry.setdefault("ManagerStatus", {"Reachability": "reachable", "Addr": f"{address}:2377"})
