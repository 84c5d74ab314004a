"""The contract about facts: what a node says of itself. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ThrottleWord = Literal["under-voltage", "frequency capped", "throttled", "soft temperature limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDisk:
    """A file system of a node: its root, and where Docker keeps its data if that is another one."""

    mount: str
    source: str  # device or export, as the node names it
    size_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node said of itself at ``at``. A fact that it does not tell is null, and ``missing`` says why.

    ``error`` says why it could not be asked the last time ("" it could); facts of before stay.
    """

    name: str
    at: str | None = None  # when they were gathered; null: never
    tried: str | None = None  # when it was asked last
    error: str = ""
    hint: str = ""
    model: str | None = None
    serial: str | None = None
    kernel: str | None = None
    arch: str | None = None
    os: str | None = None
    cpus: int | None = None
    load: tuple[float, ...] = ()  # over 1, 5 and 15 minutes; empty: not known
    temperature_celsius: float | None = None
    temperature_source: str = ""
    throttled: tuple[ThrottleWord, ...] | None = None  # now; empty: not throttled
    throttled_before: tuple[ThrottleWord, ...] | None = None  # since it booted
    throttled_source: str = ""
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None  # what programs can have
    disks: tuple[NodeDisk, ...] = ()
    booted: str | None = None  # by the node's own clock
    boot_id: str | None = None
    uptime_s: float | None = None
    missing: dict[str, str] = field(default_factory=dict)  # fact -> why it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBrief:
    """Some facts of a node that is up, gathered since it came up."""

    at: str
    load: float | None = None  # over one minute
    cpus: int | None = None
    temperature_celsius: float | None = None
    throttled: tuple[ThrottleWord, ...] = ()  # now
