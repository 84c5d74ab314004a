"""A master and its slaves that make one Docker swarm: real engines, on machines that a simulated rack switches."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import docker
from docker.types import EndpointSpec, RestartPolicy, ServiceMode

from graped.errors import GrapeError
from graped.network.ssh_keys import KeyRing
from tests.lab.carded import new_host_key
from tests.lab.cluster import PREFIX, address
from tests.lab.machines.bare_machine import CLUSTER, BareMachine
from tests.lab.network import Network
from tests.lab.rack import Slot
from tests.lab.run import Run
from tests.lab.served import STATE, VENV, Served
from tests.lab.slave import Slave
from tests.lab.ssh import Login
from tests.lab.swarm_roots import swarm_root
from tests.lab.swarm_seed import IMAGE, image_tar, wait_docker

MASTER: Final = f"{PREFIX}.1"
DAEMON: Final = "grape_docker"
PROGRAMS: Final = ("graped", "grapecli", DAEMON)
SECOND_NS: Final = 10**9
UP_S: Final = 180.0
SOON_S: Final = 120.0
LONG_S: Final = 300.0
PAUSE_S: Final = 0.1
KILL: Final = "docker ps --quiet | xargs --no-run-if-empty docker kill"
JOURNAL_CHARS: Final = 6000
# What is short here is long in earnest: a node is down after three heartbeats. Nobody waits until one is forgotten.
CONFIG: Final = f"""
[store]
state_dir = "{STATE}"
[netboot]
active = false
interface = "{CLUSTER}"
address = "{MASTER}/24"
[power]
stagger_s = 0.1
inrush_s = 0.2
# Systems are not asked to stop: what runs in a slave when its power goes is what its guard has left there.
soft_off_max_s = 0
[docker]
advertise = "{MASTER}"
heartbeat_s = 1.0
drain_s = 60.0
forget_s = 600.0
retry_s = 1.0
retry_max_s = 8.0
"""
# What the installer makes of it, until a test runs the installer.
ACCOUNTS: Final = {
    "etc/group": "grape-docker:x:989:\n",
    "etc/passwd": "grape-docker:x:989:989::/var/lib/grape-docker:/usr/sbin/nologin\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of ``docker node ls``."""

    id: str
    hostname: str
    state: str  # ready, down, ...
    availability: str  # active, drain, pause
    role: str
    labels: dict[str, str]
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task of a service; ``node`` is the hostname of its node, "" where it has none."""

    id: str
    service: str
    node: str
    state: str  # what it does: running, shutdown, failed, orphaned, ...
    desired: str  # what the swarm wants of it
    container: str
    message: str


class Crowd:
    """A master and ``slots`` slaves in stack 0, all off at first; ``more`` is appended to the configuration.

    A slave's name is that of its node (worker-0-0), and so is its place's.
    """

    def __init__(self, run: Run, slots: int = 3, more: str = "") -> None:
        self.run = run
        self.network = Network(run)
        self.slots: tuple[Slot, ...] = tuple((0, number) for number in range(slots))
        self.master = Served(
            run, self.network, _stacks(self.slots), CONFIG + more, base=swarm_root("master"), programs=PROGRAMS
        )
        new_host_key(self.machine.root)
        keys = KeyRing(self.machine.root / f"{STATE.lstrip('/')}/ssh")
        let_in = (keys.cluster_public_key(), self.master.key.public)
        self.slaves = {
            name_of(slot): Slave(self.network, name_of(slot), address(slot), mac=_mac(slot), keys=let_in)
            for slot in self.slots
        }
        for name, slave in self.slaves.items():
            keys.pin(name, (slave.host_key,))
        for file, line in ACCOUNTS.items():
            with (self.machine.root / file).open("a") as end:
                end.write(line)

    def start(self) -> None:
        """Boot the master, with graped, Docker and grape_docker on it, and all slots off."""
        self.master.begin({slot: self.slaves[name_of(slot)] for slot in self.slots})
        self.master.wait_back()
        wait_docker(self.machine)
        self.add_image(image_tar(), IMAGE)
        self.machine.do("systemctl", "start", DAEMON)
        self.until(lambda: len(self.entries()) == 1, SOON_S, "grape_docker has made a swarm")

    # --- the master ---------------------------------------------------------------------------------------

    @property
    def machine(self) -> BareMachine:
        """The master's machine: ``do``, ``attempt``, ``path``, ``journal``."""
        return self.master.machine

    @property
    def engine(self) -> docker.DockerClient:
        """The master's Docker, from here. Close to nothing to make; another one after a reboot."""
        return docker.DockerClient(base_url=f"unix://{self.machine.path('/run/docker.sock')}", timeout=60)

    def cli(self, *words: str, code: int = 0) -> str:
        """Run grapecli on the master as root."""
        return self.master.cli(*words, code=code)

    def json(self, *words: str) -> Any:
        """Run grapecli on the master, and give what it prints as JSON."""
        return self.master.json(*words)

    def power(self, *words: str, code: int = 0) -> str:
        """Run ``grapecli power`` without questions: ``crowd.power("off", "worker-0-1", "--wait")``."""
        return self.cli("power", *words, "--yes", code=code)

    def docker(self, *words: str) -> str:
        """Run Docker's own CLI on the master."""
        return self.machine.do("docker", *words, timeout_s=LONG_S)

    def grape_docker(self, *words: str, code: int = 0) -> str:
        """Run a command of grape_docker on the master as root."""
        return self.machine.do(f"{VENV}/bin/{DAEMON}", *words, timeout_s=LONG_S, code=code)

    def grape_docker_json(self, *words: str) -> Any:
        """Run a command of grape_docker, and give what it prints as JSON."""
        return json.loads(self.grape_docker("--json", *words))

    def add_image(self, tar: bytes, image: str) -> None:
        """Have the master's Docker know an image, of a tar of its files; it runs ``/bin/serve``."""
        self.machine.path("/root/image.tar").write_bytes(tar)
        self.docker("import", "--change", 'CMD ["/bin/serve"]', "/root/image.tar", image)

    # --- the swarm ----------------------------------------------------------------------------------------

    def entries(self, hostname: str | None = None) -> list[Entry]:
        """Tell the nodes of the swarm as the master's Docker has them; () where there is no swarm."""
        try:
            found = [_entry(node.attrs) for node in self.engine.nodes.list()]
        except docker.errors.APIError:
            return []
        return [entry for entry in found if hostname in (None, entry.hostname)]

    def ready(self, *names: str) -> bool:
        """Whether each of these is in the swarm exactly once, ready and active."""
        found = [(entry.hostname, entry.state, entry.availability) for entry in self.entries()]
        return all(
            [one for one in found if one[0] == name] == [(name, "ready", "active")] for name in names or self.slaves
        )

    def labelled(self, name: str) -> bool:
        """Whether the entry of a node tells where it is and who it is."""
        number = name.rpartition("-")[2]
        place = {"grape.stack": "0", "grape.slot": number, "grape.mac": _mac((0, int(number)))}
        return [entry.labels | place == entry.labels for entry in self.entries(name)] == [True]

    def settled(self, *names: str) -> bool:
        """Whether each of these (all) is ready, and labelled: grape_docker labels what it has seen to be ready."""
        return self.ready(*names) and all(self.labelled(name) for name in names or self.slaves)

    def service(
        self,
        name: str,
        replicas: int | None = None,
        *,
        command: Iterable[str] = ("/bin/serve",),
        constraints: Iterable[str] = ("node.role == worker",),
        max_a_node: int | None = None,
        ports: dict[int, int] | None = None,
        grace_s: float = 5.0,
    ) -> Any:
        """Create a service of the lab's image; without ``replicas`` it is global.

        ``ports`` are published on the hosts (this kernel has no IPVS). By default only workers take its tasks.
        """
        mode = ServiceMode("global") if replicas is None else ServiceMode("replicated", replicas)
        published: Any = {at: (to, "tcp", "host") for at, to in (ports or {}).items()}
        services: Any = self.engine.services
        return services.create(
            IMAGE,
            command=list(command),
            name=name,
            mode=mode,
            constraints=list(constraints),
            maxreplicas=max_a_node,
            stop_grace_period=int(grace_s * SECOND_NS),
            restart_policy=RestartPolicy(condition="any", delay=SECOND_NS // 2),
            endpoint_spec=EndpointSpec(mode="dnsrr", ports=published),
        )

    def tasks(self, service: str) -> list[Task]:
        """Tell all tasks of a service that Docker still knows, also ended ones."""
        names = {entry.id: entry.hostname for entry in self.entries()}
        api: Any = self.engine.api
        found = api.tasks(filters={"service": service})
        return [_task(service, names, one) for one in found]

    def running(self, service: str) -> Counter[str]:
        """Count the tasks of a service that run and shall, by node; those on nodes that are down do not count."""
        there = {entry.hostname for entry in self.entries() if entry.state == "ready"}
        tasks = [task for task in self.tasks(service) if (task.state, task.desired) == ("running", "running")]
        return Counter(task.node for task in tasks if task.node in there)

    def is_whole(self, service: str, replicas: int) -> bool:
        """Whether a service has as many running tasks as it should."""
        return self.running(service).total() == replicas

    def join_by_hand(self, *names: str) -> None:
        """Bring slaves into the swarm as a person would, over SSH; see to it that grape_docker does not come first."""
        engine = self.engine
        engine.swarm.reload()
        token = engine.swarm.attrs["JoinTokens"]["Worker"]
        for name in names or self.slaves:
            login = self.login(name)
            login.wait(UP_S)
            wait_docker(self.slaves[name])
            login.do(f"docker swarm join --token {token} {MASTER}:2377")

    # --- the slaves ---------------------------------------------------------------------------------------

    def login(self, name: str) -> Login:
        """Log in to a slave from the master's place, with the lab's key; any host key will do."""
        return Login(self.machine.place, self.master.key, self.slaves[name].address)

    def up(self, *names: str) -> None:
        """Have these nodes (all) on and in the swarm, whatever they are now."""
        wanted = names or tuple(self.slaves)
        self.power("on", ",".join(wanted), "--wait")
        self.until(lambda: self.settled(*wanted), UP_S, f"{wanted} are ready in the swarm, and labelled")

    def down(self, *names: str) -> None:
        """Have these nodes (all) off, by a clean power-off."""
        wanted = names or tuple(self.slaves)
        self.power("off", ",".join(wanted), "--wait")
        self.until(lambda: not any(self.slaves[name].running for name in wanted), SOON_S, f"{wanted} are off")

    # --- waiting, and what went wrong -----------------------------------------------------------------------

    def until(self, true: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Wait for something, and tell how long it took. What cannot be asked yet is not so yet."""
        started = time.monotonic()
        while not self._is(true):
            if time.monotonic() - started > timeout_s:
                raise AssertionError(f"not within {timeout_s:g} s: {what}\n{self.picture()}")
            time.sleep(PAUSE_S)
        return time.monotonic() - started

    def _is(self, true: Callable[[], bool]) -> bool:
        try:
            return true()
        except (docker.errors.DockerException, GrapeError, OSError):
            return False

    def picture(self) -> str:
        """Describe the swarm and its tasks as they are."""
        words = ("docker node ls; docker service ls; docker service ps $(docker service ls -q) --no-trunc",)
        said = self.machine.attempt("sh", "-c", *words)
        return f"{said.stdout}{said.stderr}"[-JOURNAL_CHARS:]

    def journals(self) -> dict[str, str]:
        """Give what everybody has said of late, for a test that failed."""
        found = {"swarm": self.picture()}
        for machine, units in (
            (self.machine, ("graped", DAEMON, "docker")),
            *((slave, ("docker", "ssh")) for slave in self.slaves.values()),
        ):
            for unit in units if machine.running else ():
                said = machine.attempt("journalctl", "--no-pager", "--output=short-precise", f"--unit={unit}")
                found[f"{unit} on {machine.name}"] = said.stdout[-JOURNAL_CHARS:]
        return found

    def tidy(self) -> None:
        """Have no service and no container, both daemons running, all that is on ready: as the next test wants it."""
        services: Any = self.engine.services
        for service in services.list():
            service.remove()
        self.machine.do("systemctl", "start", "graped", DAEMON)
        for slave in self.slaves.values():
            slave.open_up()
            slave.place.set_link(up=True)
        on = [name for name, slave in self.slaves.items() if slave.running]
        for machine in (self.machine, *(self.slaves[name] for name in on)):
            machine.attempt("sh", "-c", KILL)  # who does not end when it is told would keep the next drain waiting
        if on:
            self.until(lambda: self.ready(*on), UP_S, f"{on} are ready again")


def name_of(slot: Slot) -> str:
    """The name of the node in a slot."""
    return f"worker-{slot[0]}-{slot[1]}"


def _mac(slot: Slot) -> str:
    return f"dc:a6:32:00:{slot[0]:02x}:{slot[1]:02x}"


def _stacks(slots: Iterable[Slot]) -> str:
    lines = ["[cluster.stacks.0.devices]"]
    lines += [f'{slot[1]} = {{ mac = "{_mac(slot)}", boot = "local", address = "{address(slot)}" }}' for slot in slots]
    return "\n".join(lines) + "\n"


def _entry(node: Any) -> Entry:
    return Entry(
        id=node["ID"],
        hostname=node["Description"].get("Hostname", ""),
        state=node["Status"]["State"],
        availability=node["Spec"]["Availability"],
        role=node["Spec"]["Role"],
        labels=node["Spec"].get("Labels") or {},
        address=node["Status"].get("Addr", ""),
    )


def _task(service: str, names: dict[str, str], task: Any) -> Task:
    return Task(
        id=task["ID"],
        service=service,
        node=names.get(task.get("NodeID", ""), ""),
        state=task["Status"]["State"],
        desired=task["DesiredState"],
        container=task["Status"].get("ContainerStatus", {}).get("ContainerID", ""),
        message=task["Status"].get("Err") or task["Status"].get("Message", ""),
    )
