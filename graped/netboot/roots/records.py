"""What is on disk about roots, and how their records are written. A record is the truth: what it does not name is junk.

``roots/<node>/root.json`` is the node's record; ``roots/<node>/<generation>/generation.json`` says how one generation
was made, which its mount and its ``diff`` need.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from graped.config.types import Strategy
from graped.errors import GrapeError
from graped.files import write_atomic

RECORD: Final = "root.json"
MAKING: Final = "generation.json"
NODE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
PROBE: Final = "_probe"  # no host name: the folder in which is tried what the file system can do
GENERATION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Origin(StrEnum):
    """Why a generation is kept."""

    SNAPSHOT = "snapshot"  # somebody asked: kept until removed
    RESET = "reset"  # the root that a reset replaced
    SET = "set"  # the root on the image that the node had before
    ROLLBACK = "rollback"  # the root that a rollback replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A root that can be gone back to. ``label`` is its name, unique on its node."""

    generation: str
    label: str
    image: str
    strategy: Strategy
    made: float  # unix seconds
    by: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRecord:
    """The root of one node. ``serving`` are older generations that the node may still run on: mounted and exported."""

    node: str
    image: str  # full ref
    strategy: Strategy  # never AUTO
    generation: str
    made: float  # unix seconds
    kept: tuple[Kept, ...] = ()  # oldest first
    serving: tuple[str, ...] = ()
    next: int  # the number of the next generation: none is used twice

    @property
    def generations(self) -> frozenset[str]:
        """All generations that somebody needs."""
        return frozenset({self.generation, *(one.generation for one in self.kept), *self.serving})


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a generation was made. ``lower`` is the image's tree, relative to the folder of netbooting."""

    image: str
    strategy: Strategy
    lower: str
    personal: Mapping[str, str]  # path -> stamp of what Grape itself writes; "" for a folder


class BadRecord(GrapeError):
    """A record of a root that cannot be read: nothing is done to its node until a person has looked."""

    code = "bad_record"
    title = "The record of a root cannot be read"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are below the folder of netbooting."""

    folder: Path

    @property
    def roots(self) -> Path:
        """All roots."""
        return self.folder / "roots"

    def node(self, node: str) -> Path:
        """All of one node's roots. Raises ValueError for what is no host name."""
        if node != PROBE and not NODE.fullmatch(node):
            raise ValueError(f"not a host name: {node!r}")
        return self.roots / node

    def generation(self, node: str, generation: str) -> Path:
        """One root with what belongs to it."""
        if not GENERATION.fullmatch(generation):
            raise ValueError(f"not a generation: {generation!r}")
        return self.node(node) / generation

    def root(self, node: str, generation: str) -> Path:
        """The tree itself, as it is exported."""
        return self.generation(node, generation) / "fs"

    def private(self, node: str) -> Path:
        """What an ephemeral node has of its own."""
        self.node(node)  # the check
        return self.folder / "private" / node


def read_record(layout: Layout, node: str) -> RootRecord | None:
    """Return a node's record, None where it has none. Raises BadRecord."""
    fields = _read(layout.node(node) / RECORD)
    if fields is None:
        return None
    try:
        kept = tuple(Kept(**{**one, "strategy": Strategy(one["strategy"]), "by": Origin(one["by"])})
                     for one in fields.pop("kept"))  # fmt: skip
        serving, strategy = tuple(fields.pop("serving")), Strategy(fields.pop("strategy"))
        return RootRecord(**fields, kept=kept, serving=serving, strategy=strategy)
    except (TypeError, ValueError, KeyError) as error:
        raise _bad(layout.node(node) / RECORD) from error


def write_record(layout: Layout, record: RootRecord) -> None:
    """Make a record the truth. This is the moment at which something has happened."""
    _write(layout.node(record.node) / RECORD, record, sync=True)


def read_making(layout: Layout, node: str, generation: str) -> Making | None:
    """Return how a generation was made. Raises BadRecord."""
    path = layout.generation(node, generation) / MAKING
    fields = _read(path)
    try:
        return None if fields is None else Making(**{**fields, "strategy": Strategy(fields["strategy"])})
    except (TypeError, ValueError, KeyError) as error:
        raise _bad(path) from error


def write_making(layout: Layout, node: str, generation: str, making: Making, *, sync: bool = True) -> None:
    """Say how a generation is made. Without ``sync`` it is on the disk when the caller has synced the file system."""
    _write(layout.generation(node, generation) / MAKING, making, sync=sync)


def _write(path: Path, value: RootRecord | Making, *, sync: bool) -> None:
    note = {"": "Written by graped. Changing it by hand loses roots."}
    write_atomic(path, json.dumps(note | dataclasses.asdict(value), indent=1) + "\n", mode=0o600, sync=sync)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        fields = json.loads(path.read_bytes())
        del fields[""]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise _bad(path) from error
    return dict(fields)


def _bad(path: Path) -> BadRecord:
    return BadRecord(f"{path} cannot be read as a record", hint="Restore it, or remove its folder to give the root up.")
