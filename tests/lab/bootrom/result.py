"""What a boot ROM got."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tests.lab.bootrom.dhcp import Lease

KEPT_BYTES = 65_536  # of a file no larger than this the bytes are kept, of others the hash


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file that came whole. ``data`` is empty where it was large."""

    path: str
    size: int
    sha256: str
    data: bytes
    taken_s: float


@dataclass(slots=True)
class Booted:
    """How far a boot ROM came. ``timeline`` has (seconds since power-on, what happened)."""

    outcome: str = ""  # "kernel": it would run the kernel now; anything else says what stopped it
    lease: Lease | None = None
    discovers: int = 0
    refused: list[str] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    kernel: str = ""
    cmdline: str = ""
    system_lease: Lease | None = None  # what its kernel was given, where it was asked to
    timeline: list[tuple[float, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it would run its kernel."""
        return self.outcome == "kernel"

    @property
    def size_bytes(self) -> int:
        """How much it has fetched."""
        return sum(file.size for file in self.files.values())

    def moment(self, what: str) -> float:
        """When something happened first, in seconds since power-on. Raises KeyError where it never did."""
        for moment, told in self.timeline:
            if told == what:
                return moment
        raise KeyError(what)


class Intake:
    """Takes a file's blocks."""

    __slots__ = ("_hash", "_parts", "_size")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._parts: list[bytes] = []
        self._size = 0

    def take(self, block: memoryview) -> None:
        """Take the next block."""
        self._hash.update(block)
        if self._size < KEPT_BYTES:
            self._parts.append(bytes(block))
            self._size += len(block)

    def file(self, path: str, size: int, taken_s: float) -> File:
        """Close it."""
        data = b"".join(self._parts) if size <= KEPT_BYTES else b""
        return File(path=path, size=size, sha256=self._hash.hexdigest(), data=data, taken_s=taken_s)
