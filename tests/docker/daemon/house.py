"""grape_docker's loop between a real graped on a simulated rack and a Docker that behaves; its nodes are made up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grape_docker import listening
from grape_docker.acting import Hands
from grape_docker.guard import NAME, Guard
from grape_docker.identity import ensure_key
from grape_docker.inbox import Inbox, Stop
from grape_docker.loop import Loop
from grape_docker.model import Settings
from grape_docker.nodes.trouble import NodeTrouble
from grape_docker.nodes.values import Invite, Joined, Left, Tell, Wishes
from grape_docker.registry.place import Place
from grape_docker.swarm.manager import Manager
from grape_docker.work import Workshop
from graped.api.client import Client
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from tests.docker.fake_engine import Serving
from tests.docker.fake_swarm import FakeEngine
from tests.live.daemon import FAST, Daemon

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGCi8BDjGT8L3qU7TmWEkPzQ0eE5P1GI8aSUe5C1nRzG"
SLOTS = 4
CONFIG = (
    "[cluster.stacks.0.devices]\n"
    + "".join(
        f'{n} = {{ mac = "02:00:00:00:00:0{n}", boot = "local", address = "10.77.1.{n + 1}" }}\n' for n in range(SLOTS)
    )
    + FAST
    + "[docker]\nretry_s = 0.5\nretry_max_s = 2.0\ndrain_s = 20.0\nforget_s = 0.5\n"
)


def name_of(slot: int) -> str:
    return f"worker-0-{slot}"


class FakeNodes:
    """The nodes' side: what ``join`` and ``leave`` do to a node is seen in the swarm."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.ids: dict[str, str] = {}  # the entry that a node is
        self.joins: list[tuple[str, float]] = []  # name, monotonic s
        self.leaves: list[str] = []
        self.holes: set[str] = set()  # a connection to these hangs until ``freed``
        self.faults: dict[str, NodeTrouble] = {}
        self.freed = threading.Event()

    def join(self, where: Endpoint, key: Path, invite: Invite, _wishes: Wishes, tell: Tell = lambda _: None) -> Joined:
        self.joins.append((where.name, time.monotonic()))
        assert key.stat().st_mode & 0o777 == 0o600
        assert where.host_keys == (HOST_KEY,)
        if where.name in self.holes:
            self.freed.wait(30)
        if where.name in self.faults:
            raise self.faults[where.name]
        assert invite.token == self.engine.made.tokens["Worker"]
        old = self.ids.get(where.name)
        if old in self.engine.made.nodes:
            if self.engine.made.nodes[old]["Status"]["State"] != "ready":
                self.engine.set_state(old, "ready")
            return Joined(node_id=old)
        self.ids[where.name] = self.engine.add_node(where.name, address=where.address)
        return Joined(node_id=self.ids[where.name], steps=("joined",))

    def leave(self, where: Endpoint, _key: Path, *, swarm_id: str, tell: Tell = lambda _: None) -> Left:
        assert swarm_id == self.engine.made.id
        self.leaves.append(where.name)
        gone = self.ids.pop(where.name)
        self.engine.set_state(gone, "down")
        return Left(node_id=gone)

    def tried(self, name: str) -> int:
        return sum(one == name for one, _ in self.joins)


class House:
    """All of it, in a folder of its own. The loop runs in a thread here. graped and its rack outlive ``fresh``."""

    engine: FakeEngine
    nodes: FakeNodes
    docker: Serving
    state: Path

    def __init__(self, room: Path, config: str = CONFIG) -> None:
        self.room = room
        self.runs = 0
        nodes = room / "nodes.toml"
        nodes.write_text("scale = 0.12\n")  # what is seen before a slot is known to be on is not taken: not at once
        self.graped = Daemon(room, config, "--sim-nodes", str(nodes))
        keys = KeyRing(self.graped.state / "ssh")
        for slot in range(SLOTS):
            keys.pin(name_of(slot), (HOST_KEY,))
        self.loop: Loop | None = None

    def fresh(self) -> None:
        """Have all nodes off, and a Docker in no swarm; nothing is known."""
        self.runs += 1
        self.power("off", *map(name_of, range(SLOTS)), force=True)
        self.engine = FakeEngine()
        self.nodes = FakeNodes(self.engine)
        self.docker = Serving(self.engine, self.room / "docker.sock")
        self.docker.start()
        self.state = self.room / f"grape-docker-{self.runs}"
        self.state.mkdir()
        self.ended: list[int] = []
        until(lambda: set(self.graped.observed().values()) == {"off"}, "all nodes are off")

    def tidy(self) -> None:
        """End what ``fresh`` and ``begin`` made."""
        self.nodes.freed.set()
        if self.loop is not None:
            self.kill()
        self.docker.stop()
        if self.graped.process is not None and self.graped.process.poll() is not None:
            self.graped.start()
        if any(one["name"] == NAME for one in self.client().get("/v1/guards")):
            self.client().delete(f"/v1/guards/{NAME}")

    def begin(self, *, once: bool = False) -> None:
        """Start grape_docker's loop, as its composition root does."""
        self.inbox, self.stop = Inbox(), threading.Event()
        manager = Manager(Settings(), self.docker.url)
        key = ensure_key(self.state)
        hands = Hands(
            self.client,
            manager,
            key,
            Place(folder=self.state / "registry"),
            join=self.nodes.join,
            leave=self.nodes.leave,
        )
        self.loop = Loop(
            inbox=self.inbox,
            client=self.client(),
            manager=manager,
            hands=hands,
            workshop=Workshop(self.inbox),
            guard=None if once else Guard(self.client()),
            room=self.state,
            key=key,
            once=once,
        )
        if not once:
            listening.start(self.inbox, self.client, manager, self.stop)
        self.thread = threading.Thread(target=self._run, args=(self.loop,), daemon=True)
        self.thread.start()

    def _run(self, loop: Loop) -> None:
        self.ended.append(loop.run())

    def end(self) -> None:
        """Stop the loop as SIGTERM does."""
        self.inbox.put(Stop())
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.stop.set()
        assert self.loop is not None
        self.loop.close(1.0)
        self.loop = None

    def kill(self) -> None:
        """Have it end as SIGKILL does: nothing is told to anybody."""
        self.inbox.put(Stop())
        self.thread.join(10)
        self.stop.set()
        self.loop = None

    def client(self) -> Client:
        return self.graped.client()

    def power(self, verb: str, *names: str, force: bool = False) -> int:
        """Ask for power; return the job."""
        return int(self.client().post("/v1/power", {"nodes": list(names), "verb": verb, "force": force})["id"])

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """The swarm's entries by host name."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self.engine.lock:
            if self.engine.cluster is None:
                return {}
            for entry in self.engine.made.nodes.values():
                found.setdefault(entry["Description"]["Hostname"], []).append(entry)
        return found

    def is_in(self, name: str) -> bool:
        """Whether a node is in the swarm once, ready, with its labels."""
        own = self.entries().get(name, [])
        return (
            [one["Status"]["State"] for one in own] == ["ready"]
            and own[0]["Spec"]["Labels"].get("grape.slot") == name[-1]
            and own[0]["Spec"]["Availability"] == "active"
        )

    def job(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.client().get(f"/v1/jobs/{number}")
        return found

    def __enter__(self) -> House:
        self.graped.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.graped.__exit__()


def until(true: Callable[[], object], what: str, timeout_s: float = 15.0) -> float:
    """Wait for something; return how long it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.01)
    return time.monotonic() - begun
