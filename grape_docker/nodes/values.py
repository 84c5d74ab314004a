"""What goes in and out of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from grape_docker.registry.trust import Trust

Tell = Callable[[str], None]  # takes one line for people: "docker: installing docker.io"


class Wishes(Protocol):
    """What of the settings (``grape_docker.model.Settings``) concerns a node."""

    @property
    def min_version(self) -> str: ...
    @property
    def install(self) -> bool: ...
    @property
    def debs(self) -> str | None: ...
    @property
    def take_over(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """What a node is told to come into the swarm; made anew for each attempt, so that its token is the valid one."""

    managers: tuple[str, ...]  # "10.0.0.1:2377"
    token: str = field(repr=False)
    swarm_id: str
    node_ids: frozenset[str] = frozenset()  # of all entries of the swarm
    registry: Trust | None = None
    fresh: bool = False  # a node that is in leaves first: what it was is not what it is


class Membership(StrEnum):
    """How a node stands to the swarm."""

    NONE = "none"
    OURS = "ours"
    REMOVED = "removed"  # it thinks that it is in ours, which does not know it
    FOREIGN = "foreign"
    LOCKED = "locked"  # a manager whose keys wait for a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder's file system: "ext2/ext3", "nfs", "overlayfs", ...; what of it is free."""

    path: str
    kind: str
    free_bytes: int
    free_inodes: int | None = None  # None: it does not count them (btrfs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a node's dockerd says of itself."""

    version: str  # "20.10.24+dfsg1"
    api_version: str
    driver: str  # "overlay2"
    name: str  # its host name, as the swarm will show it
    memory_limits: bool
    swarm_state: str = "inactive"  # inactive, pending, active, error, locked
    swarm_error: str = ""
    node_id: str = ""
    node_address: str = ""
    manager: bool = False
    managers: tuple[str, ...] = ()  # "10.0.0.1:2377"
    cluster_id: str = ""  # a manager's alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a node says of itself, Docker apart."""

    hostname: str
    uid: int
    architecture: str  # Debian's word: "arm64"
    skew_s: float  # its clock less ours
    skew_error_s: float  # at most so wrong
    docker: bool  # the programs: the client and the daemon
    service: str  # systemd's word for docker.service: "active", "inactive", ...; "" without systemd
    data: Folder
    volume: bool = False  # graped's volume for Docker is mounted where its file is, or could be
    cgroup_memory: bool = True
    addresses: tuple[str, ...] = ()
    registry_stamp: str = ""  # of what was written last to trust a registry
    swarm_id: str = ""  # by the certificate that the last join left
    member_id: str = ""  # its own id in that swarm, by the same


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """All that a look found; ``engine`` is None where no dockerd answers, ``why_not`` says why."""

    machine: Machine
    engine: Engine | None
    membership: Membership
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A node is in the swarm. ``steps`` is what was done, () where it was in already; ``warnings`` do not hinder."""

    node_id: str
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    replaced: str = ""  # the id of the entry that it was before (it left and joined again): to be removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A node is in no swarm of ours. ``node_id`` is the entry that can be removed now; "" where it was in none."""

    node_id: str = ""
