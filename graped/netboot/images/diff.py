"""What differs between two trees, or between a tree and its manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from graped.netboot.images.content import open_regular, same_content
from graped.netboot.images.digest import Kind, Names, Node, describe
from graped.netboot.images.walk import Entry, order, walk
from graped.work import Work


class Difference(StrEnum):
    """How an entry differs: ``meta`` is owner, mode or attributes alone."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    META = "meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry that differs. ``what`` is for people: "content", "mode 0644 -> 0755"; "" where it is all new."""

    kind: Difference
    path: str
    what: str


T = TypeVar("T")


def diff_trees(old: Path, new: Path, work: Work) -> tuple[Change, ...]:
    """List what is different in ``new``, in canonical order. Times do not count.

    Both are read whole, without a guess by size and time; neither is written. ``new`` may be in use: what changes
    while it is read is seen before or after. Progress: entries of the phase "compare".
    """
    work.phase("compare", unit="files")
    quiet = Quiet(work)
    names = Names(), Names()
    changes = []
    for before, after in pairs(walk(old), walk(new), lambda entry: entry.key):
        one = describe(before, names[0]) if before else None
        two = describe(after, names[1]) if after else None

        def same(before: Entry | None = before, after: Entry | None = after) -> bool:
            assert before is not None
            assert after is not None
            return same_file(before, after, quiet)

        change = compare(one, two, same)
        if change is not None:
            changes.append(change)
        work.advance(1)
    return tuple(changes)


def compare(old: Node | None, new: Node | None, same: Callable[[], bool]) -> Change | None:
    """Say how one entry differs; ``same`` compares the contents of two regular files of one size."""
    if old is None or new is None:
        path = (old or new).path  # type: ignore[union-attr]  # one of the two is there
        return Change(kind=Difference.REMOVED if new is None else Difference.ADDED, path=path, what="")
    if old.kind is not new.kind:
        return Change(kind=Difference.CHANGED, path=new.path, what=f"{old.kind} -> {new.kind}")
    deep, meta = _deep(old, new, same), _meta(old, new)
    if not deep and not meta:
        return None
    return Change(kind=Difference.CHANGED if deep else Difference.META, path=new.path, what=", ".join([*deep, *meta]))


def pairs(old: Iterator[T], new: Iterator[T], key: Callable[[T], list[bytes]]) -> Iterator[tuple[T | None, T | None]]:
    """Go through two ordered rows side by side. Neither goes on before its part of a pair was dealt with."""
    one, two = next(old, None), next(new, None)
    while one is not None or two is not None:
        if two is None or (one is not None and key(one) < key(two)):
            yield one, None
            one = next(old, None)
        elif one is None or key(two) < key(one):
            yield None, two
            two = next(new, None)
        else:
            yield one, two
            one, two = next(old, None), next(new, None)


def node_key(node: Node) -> list[bytes]:
    """Give the key that :func:`pairs` needs for lines of a manifest."""
    return order(node.path)


class Quiet(Work):
    """Work whose bytes are not told, because entries are counted; it still stops when it is asked to."""

    def __init__(self, outer: Work) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        """Stop where the outer work is to stop. Raises: Cancelled."""
        self._outer.check()


def _deep(old: Node, new: Node, same: Callable[[], bool]) -> list[str]:
    if old.kind in (Kind.LINK, Kind.HARD):
        return [f"target {old.target} -> {new.target}"] if old.target != new.target else []
    if old.kind is Kind.FILE:
        equal = old.size == new.size and old.content == new.content and same()
        return [] if equal else ["content"]
    return [f"device {_device(old)} -> {_device(new)}"] if old.device != new.device else []


def _meta(old: Node, new: Node) -> list[str]:
    said = []
    if old.mode != new.mode:
        said.append(f"mode {old.mode:04o} -> {new.mode:04o}")
    if (old.uid, old.gid) != (new.uid, new.gid):
        said.append(f"owner {old.uid}:{old.gid} -> {new.uid}:{new.gid}")
    one, two = dict(old.xattrs), dict(new.xattrs)
    said += [f"attribute {name}" for name in sorted(one.keys() | two.keys()) if one.get(name) != two.get(name)]
    return said


def _device(node: Node) -> str:
    return f"{node.device[0]}:{node.device[1]}"


def same_file(old: Entry, new: Entry, work: Work) -> bool:
    """Whether two regular files of one size hold the same."""
    descriptors = [open_regular(entry.folder, entry.name) for entry in (old, new)]
    try:
        one, two = descriptors
        if one is None or two is None:
            return False
        return same_content(one, two, old.status.st_size, work)
    finally:
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)
