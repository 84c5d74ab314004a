"""A node that behaves: what scripts do to it changes it, and its Docker is in a swarm or not. No process is run."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from graped.errors import CommandFailed
from graped.network.ssh_client import Endpoint, Output

NAME, ADDRESS = "worker-0-1", "10.77.0.11"
OURS, THEIRS = "swarm-ours", "swarm-theirs"
MANAGER = "10.77.0.1:2377"
TOKEN = "SWMTKN-1-the-valid-one"
NOW = 1_800_000_000.0


@dataclass
class FakeNode:
    """The state of a node; each field is what a fault changes."""

    hostname: str = NAME
    uid: int = 0
    skew_s: float = 0.0
    clock_fault: str = ""  # what date says where the clock cannot be set
    clock_sticks: bool = True  # False: it is as wrong as before right after it was set
    docker: bool = True
    installable: str = ""  # what apt says where it cannot
    debs: list[str] = field(default_factory=list)
    service: str = "active"
    start_fault: str = ""
    fs: str = "ext2/ext3"
    volume: bool = False
    free_bytes: int = 10**10
    addresses: tuple[str, ...] = (ADDRESS, "172.17.0.1")
    stamp: str = ""
    daemon_json: str = ""
    version: str = "20.10.24+dfsg1"
    driver: str = "overlay2"
    swarm_state: str = "inactive"
    swarm_id: str = ""
    node_id: str = ""
    node_address: str = ""
    manager_addresses: tuple[str, ...] = ()
    valid_token: str = TOKEN
    join_fault: str = ""
    commands: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    dials: int = 0
    late_dials: int = 0  # so many connections meet no dockerd, though systemd says that there is one
    joins: int = 0
    certified: bool = False  # it shows the certificate that its Docker has of its swarm

    def enter(self, swarm_id: str, *, node_id: str = "old-id", manager: str = MANAGER, address: str = ADDRESS) -> None:
        """Be in a swarm."""
        self.swarm_state, self.swarm_id, self.node_id = "active", swarm_id, node_id
        self.node_address, self.manager_addresses = address, (manager,)

    def quit(self) -> None:
        """Be in none."""
        self.swarm_state, self.swarm_id, self.node_id, self.node_address = "inactive", "", "", ""
        self.manager_addresses = ()

    def log_in(self, endpoint: Endpoint, key: Path) -> FakeSession:
        return FakeSession(self)

    # --- what scripts do --------------------------------------------------------------------------------

    def do(self, what: str, line: str, script: str) -> str:
        """Do what a script of this name does. Raises AssertionError for one that nobody has described."""
        act: Callable[[str, str], str] | None = {
            "looking at the machine": self._look,
            "asking chrony to step": lambda *_: "",
            "setting the clock": self._set_clock,
            "mounting the volume for Docker": self._mount,
            "installing Docker": self._install,
            "making a folder": lambda *_: "/var/tmp/grape-debs.x\n",
            "removing packages": lambda *_: "",
            "setting the host name": self._rename,
            "reading daemon.json": lambda *_: self.daemon_json,
            "writing what Docker has to know of the registry": self._trust,
            "starting Docker": self._start,
            "forgetting the swarm": self._forget,
        }.get(what)
        assert act is not None, f"unexpected: {what}: {line}"
        return act(line, script)

    def _look(self, line: str, script: str) -> str:
        facts = {
            "now": NOW + self.skew_s, "hostname": self.hostname, "uid": self.uid, "arch": "arm64",
            "docker": int(self.docker), "service": self.service if self.docker else "inactive",
            "data": "/var/lib/docker", "fs": f"{self.free_bytes // 4096} 4096 100000 200000 {self.fs}",
            "volume": int(self.volume), "cgroup_memory": 1, "addresses": " ".join(self.addresses),
            "registry_stamp": self.stamp,
        }  # fmt: skip
        text = "".join(f"{key} {value}\n" for key, value in facts.items())
        return f"{text}cert\n{certificate(self.swarm_id, self.node_id)}" if self.certified and self.swarm_id else text

    def _set_clock(self, line: str, script: str) -> str:
        self._fail(self.clock_fault)
        if self.clock_sticks:
            self.skew_s = float(line.split()[-1]) - NOW
        return ""

    def _mount(self, line: str, script: str) -> str:
        assert self.volume
        self.fs, self.service = "ext2/ext3", "inactive"
        return ""

    def _install(self, line: str, script: str) -> str:
        self._fail(self.installable)
        self.docker, self.service = True, "active"
        return ""

    def _rename(self, line: str, script: str) -> str:
        self.hostname = line.split()[-1]
        return ""

    def _trust(self, line: str, script: str) -> str:
        written = re.search(r"grape-registry\.stamp '(.*)'", script)
        self.stamp = written[1] if written else ""
        return ""

    def _forget(self, line: str, script: str) -> str:
        assert line.endswith("/var/lib/docker")
        self.quit()
        self.service = "inactive"
        return ""

    def _start(self, line: str, script: str) -> str:
        self._fail(self.start_fault)
        self.service = "active"
        return ""

    def _fail(self, fault: str) -> None:
        if fault:
            raise CommandFailed("a script ended with 1", stderr=f"something else\n{fault}\n")

    # --- what its Docker says ---------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        swarm = {
            "LocalNodeState": self.swarm_state, "NodeID": self.node_id, "NodeAddr": self.node_address,
            "RemoteManagers": [{"Addr": one} for one in self.manager_addresses],
            "Cluster": {"ID": self.swarm_id},
        }  # fmt: skip
        return {"ServerVersion": self.version, "Driver": self.driver, "Name": self.hostname, "Swarm": swarm}

    def join(self, asked: dict[str, Any]) -> str:
        """Join, or say why not."""
        self.joins += 1
        if self.swarm_state != "inactive":
            return "This node is already part of a swarm."
        if self.join_fault:
            return self.join_fault
        if asked["JoinToken"] != self.valid_token:
            return "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster"
        self.enter(OURS, node_id=f"id-{self.joins}", manager=asked["RemoteAddrs"][0])
        self.node_address = asked["AdvertiseAddr"] or "172.17.0.1"
        return ""


class FakeSession:
    """A login on it."""

    def __init__(self, node: FakeNode) -> None:
        self._node = node
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._ends:
            end.close()

    def run(
        self,
        command: str,
        *,
        stdin: bytes | str | None = None,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        what: str = "",
    ) -> Output:
        script = stdin if isinstance(stdin, str) else ""
        self._node.commands.append(command)
        self._node.scripts.append(script)
        return Output(code=0, stdout=self._node.do(what, command, script), stderr="")

    def open(self, command: str) -> Any:
        self._node.commands.append(command)
        self._node.dials += 1
        ours, theirs = socket.socketpair()
        self._ends += (ours, theirs)
        if self._node.docker and self._node.service == "active" and self._node.dials > self._node.late_dials:
            threading.Thread(target=_serve, args=(theirs, self._node), daemon=True).start()
        else:
            theirs.close()
        return ours

    def put_file(self, local: Path, path: str) -> None:
        self._node.debs.append(local.name)


def _serve(connection: socket.socket, node: FakeNode) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path.endswith("/info"), self.path
            self._answer(200, node.info())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            verb = self.path.partition("?")[0].rpartition("/")[2]
            fault = ""
            if verb == "join":
                fault = node.join(json.loads(body))
            else:
                assert verb == "leave", self.path
                node.quit()
            self._answer(503 if fault else 200, {"message": fault} if fault else None)

        def _answer(self, code: int, said: object) -> None:
            body = b"" if said is None else json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Api-Version", "1.41")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with contextlib.suppress(OSError):
        Handler(connection, ("node", 0), None)  # type: ignore[arg-type]  # it asks nothing of its server


def certificate(swarm: str, member: str) -> str:
    """Make what a join leaves on a node."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = ((x509.NameOID.ORGANIZATION_NAME, swarm), (x509.NameOID.COMMON_NAME, member))
    name = x509.Name([x509.NameAttribute(*one) for one in names])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=9))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@contextlib.contextmanager
def untouched(node: FakeNode) -> Iterator[None]:
    """See that nothing joins or leaves meanwhile."""
    before = (node.joins, node.swarm_state, node.swarm_id)
    yield
    assert (node.joins, node.swarm_state, node.swarm_id) == before
