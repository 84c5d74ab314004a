"""What grape_docker knows and what it can do about it: plain frozen values, no behaviour beyond themselves.

Times are unix seconds. ``name`` is always a node's name in Grape, which is its host name in the swarm; ``node_id`` is
the id of one entry of the swarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias


class Role(StrEnum):
    """What a node is in the swarm."""

    WORKER = "worker"
    MANAGER = "manager"


class Availability(StrEnum):
    """Whether a node of the swarm takes tasks."""

    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


class Health(StrEnum):
    """What the managers say of an entry. ``unknown`` and ``disconnected``: not heard of it yet, or just now."""

    READY = "ready"
    DOWN = "down"
    UNKNOWN = "unknown"
    DISCONNECTED = "disconnected"


LABEL_STACK: Final = "grape.stack"
LABEL_SLOT: Final = "grape.slot"
LABEL_MODEL: Final = "grape.model"
LABEL_IMAGE: Final = "grape.image"
LABEL_MAC: Final = "grape.mac"
OURS: Final = (LABEL_STACK, LABEL_SLOT, LABEL_MODEL, LABEL_IMAGE, LABEL_MAC)  # all other labels are people's

DRAINED: Final = "grape.drained"  # why a node is drained; absent: nobody of Grape drained it
DRAINED_OFF: Final = "off"  # ours, before its power goes: undone when it is up again
DRAINED_ASKED: Final = "asked"  # ``grape_docker drain``: stays until ``grape_docker activate``
DRAINED_CONFIG: Final = "config"  # the master, by ``docker.master_tasks = false``


@dataclass(frozen=True, slots=True, kw_only=True)
class Elastic:
    """``[docker.elastic]`` of the configuration; ``nodes`` is a node set expression."""

    active: bool = False
    nodes: str = "@all"
    min_nodes: int = 0
    max_nodes: int = 96
    quiet_s: float = 300.0
    max_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``[docker]`` of the configuration (the README of graped explains each key), and what it takes of other tables."""

    advertise: str | None = None  # the master's address in the swarm; read() takes netboot.address where none is set
    data_path: str | None = None
    address_pool: tuple[str, ...] = ()
    subnet_bits: int = 24
    heartbeat_s: float = 5.0
    min_version: str = "20.10"
    install: bool = True
    debs: str | None = None
    drain_s: float = 90.0
    forget_s: float = 300.0
    master_tasks: bool = True
    take_over: bool = False
    retry_s: float = 5.0
    retry_max_s: float = 300.0
    registry: bool = False
    registry_port: int = 5000
    registry_stamp: str | None = None  # of what nodes have to know of it, "" nothing; None: not known here
    elastic: Elastic = Elastic()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFact:
    """One configured node, as graped tells. ``power`` is on, off or unknown; ``stage`` a boot stage or None."""

    name: str
    stack: int
    slot: int
    mac: str | None = None
    model: str | None = None
    image: str | None = None
    role: Role = Role.WORKER
    power: str = "unknown"
    desired: str | None = None
    power_since: float | None = None  # since when ``power`` is what it is
    stage: str | None = None
    late: bool = False  # it is beyond the deadline of its boot stage
    address: str | None = None
    trusted: bool | None = None  # its host keys are pinned; None: it has no address
    job: int | None = None  # the open job that works on it
    watts: float = 0.0

    @property
    def is_off(self) -> bool:
        """Whether its power was seen off."""
        return self.power == "off"

    @property
    def is_up(self) -> bool:
        """Whether it answers by SSH with its pinned key."""
        return self.stage == "up" and not self.is_off

    @property
    def off_since(self) -> float | None:
        """Since when its power is off; None: it is not, or nobody knows."""
        return self.power_since if self.is_off else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Our lifecycle guard holds a node: graped asked (``guard.asked``) and we have not let go. ``verb``: off, cycle."""

    name: str
    job: int
    verb: str
    since: float
    deadline: float  # then graped goes on without us


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The watts of one stack: what it may draw (None: no limit) and what its slots that are on are expected to."""

    watts: float | None
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rack:
    """graped's snapshot: all configured nodes, the guards we hold, the stacks' budgets."""

    nodes: tuple[NodeFact, ...] = ()
    holds: tuple[Hold, ...] = ()
    budgets: Mapping[int, Budget] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmNode:
    """One entry of the swarm. ``labels`` are the node's labels (of its spec, not of its engine)."""

    id: str
    hostname: str
    state: Health
    availability: Availability = Availability.ACTIVE
    role: Role = Role.WORKER
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None  # where the managers see it
    version: int = 0  # of the entry, for updates
    engine: str = ""  # Docker's version on it
    created: float = 0.0
    leader: bool = False
    reachable: bool = True  # of managers: whether the others reach it
    nano_cpus: int = 0
    memory_bytes: int = 0
    message: str = ""  # what the managers say of its state


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """The swarm as the master sees it; ``self_id`` is the master's own entry."""

    id: str
    self_id: str
    nodes: tuple[SwarmNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFact:
    """One task of a service. ``state`` and ``desired`` are Docker's words (running, pending, shutdown, ...)."""

    id: str
    service: str
    node_id: str | None
    state: str
    desired: str
    error: str = ""
    slot: int = 0  # which of a replicated service's tasks it is: its replacement has the same number
    everywhere: bool = False  # of a global service: it goes with its node, and is no reason to keep one on
    max_per_node: int = 0  # Spec.Placement.MaxReplicas; 0: any number
    constraints: tuple[str, ...] = ()  # Spec.Placement.Constraints
    nano_cpus: int = 0  # Spec.Resources.Reservations
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Bring a node into the swarm under its name; ``fresh``: it leaves first, its identity changed."""

    name: str
    why: str
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Have a node that is drained leave the swarm (over SSH), before its power goes."""

    name: str
    node_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLabels:
    """Make these labels of an entry so; a None takes the label away; all other labels stay as they are."""

    name: str
    node_id: str
    labels: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAvailability:
    """Make an entry take tasks, or not."""

    name: str
    node_id: str
    availability: Availability
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """Promote or demote an entry."""

    name: str
    node_id: str
    role: Role
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Take an entry that is down out of the swarm."""

    name: str
    node_id: str
    why: str


Action: TypeAlias = Join | Leave | SetLabels | SetAvailability | SetRole | Remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a node is not as it should be; ``name`` is "" where it is about the swarm itself."""

    name: str
    code: str
    message: str
    hint: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A node for which nothing is done now, and why; ``until``: when time alone may change that."""

    name: str
    why: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a node failed in a row, when it may be tried again, and under which circumstances it failed."""

    failures: int = 0
    failed_at: float = 0.0
    next_at: float = 0.0
    circumstances: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered of one node, on disk, over leaving and joining again."""

    own_id: str | None = None  # the entry it said was its own when it joined last
    joined_at: float = 0.0
    address: str | None = None  # where it was then
    registry: str = ""  # the stamp of what it was told of the registry
    settled_id: str | None = None  # the entry that ``labels`` and ``availability`` were read from, or given back to
    labels: Mapping[str, str] = field(default_factory=dict)  # people's
    availability: Availability = Availability.ACTIVE  # as people set it
    retry: Retry = Retry()


Known: TypeAlias = Mapping[str, Memory]  # by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now (in this order for each node), what is wrong, what is waited for, what is to be remembered."""

    actions: tuple[Action, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    known: Known = field(default_factory=dict)

    @property
    def wake(self) -> float | None:
        """When time alone may change the plan."""
        return min((one.until for one in self.waiting if one.until is not None), default=None)
