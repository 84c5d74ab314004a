"""The contract of images and roots; ``graped.api.types`` has all of it. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StrategyWord = Literal["overlay", "btrfs", "reflink", "copy", "ephemeral"]
WantedStrategyWord = Literal["auto", "overlay", "btrfs", "reflink", "copy", "ephemeral"]
ModelWord = Literal["3b", "3b+", "4", "5", "pxe"]
BootWord = Literal["network", "local"]
RoleWord = Literal["worker", "manager"]
ChangeWord = Literal["added", "removed", "changed", "meta"]
CheckWord = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One immutable version of an image. ``ref`` (name and first digits of the digest) names it everywhere."""

    ref: str
    name: str
    digest: str  # sha256 of the tree, 64 hex digits
    created: str
    source: str  # where it came from, for people
    parent: str  # ref of the version it was made from, "" none
    arch: str  # "arm64", "armhf", "amd64", "" unknown
    boot: str  # folder of the TFTP boot files in it, "" none
    size_bytes: int
    files: int
    prepared: bool  # made ready for netbooting
    note: str
    nodes: tuple[str, ...] = ()  # whose root is built on it; it cannot be removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An older root of a node, to which it can be rolled back."""

    generation: str
    label: str  # "" where nobody gave one
    image: str
    made: str
    by: str  # "snapshot", "reset", "set", "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One node's own writable file system, built on an image version."""

    node: str
    image: str
    strategy: StrategyWord
    generation: str
    made: str
    kept: tuple[Kept, ...]  # oldest first
    mounted: bool = True
    fault: str = ""  # why it cannot be served


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two trees."""

    kind: ChangeWord
    path: str
    what: str  # "content", "mode 0644 -> 0755"; "" where it is all new or all gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A writable tree made from an image: change it as root in ``path`` (on the master), then commit or drop it."""

    id: str
    path: str
    image: str
    shell: tuple[str, ...] = ()  # what gives root on the master a shell in it, at a terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What ``doctor`` found of one thing; ``hint`` says what to do."""

    name: str
    state: CheckWord
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChanges:
    """What is set for nodes; None leaves it, "" goes back to what the configuration files say."""

    image: str | None = None
    strategy: WantedStrategyWord | Literal[""] | None = None
    model: ModelWord | Literal[""] | None = None
    boot: BootWord | Literal[""] | None = None
