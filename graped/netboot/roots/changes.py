"""What a node has changed in its root, against the image."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from graped.netboot.images.content import open_regular
from graped.netboot.images.diff import Change, Difference, Quiet, compare, diff_trees, pairs, same_file
from graped.netboot.images.digest import Names, describe
from graped.netboot.images.walk import Entry, walk
from graped.netboot.inside import folder_inside
from graped.netboot.roots.identity import stamp
from graped.netboot.roots.own_files import LIMIT_BYTES
from graped.work import Work

_OPAQUE: Final = "trusted.overlay.opaque"  # nothing of the image's folder shows through
_REDIRECT: Final = "trusted.overlay.redirect"  # another folder of the image shows through


def diff_overlay(lower: Path, upper: Path, merged: Path, work: Work) -> tuple[Change, ...]:
    """List what is different, by looking only where the upper layer has something. ``merged`` is mounted.

    The same as comparing ``lower`` with ``merged`` whole, but of a changed file with several names one is told.
    Progress: entries of the phase "compare".
    """
    work.phase("compare", unit="files")
    return tuple(_changes(lower, upper, merged, work))


def diff_copy(lower: Path, root: Path, work: Work) -> tuple[Change, ...]:
    """List what is different in a root that is a tree of its own."""
    return diff_trees(lower, root, work)


def without_personal(changes: tuple[Change, ...], root: Path, personal: Mapping[str, str]) -> tuple[Change, ...]:
    """Leave out the files that Grape wrote for the node and that are as it wrote them."""
    return tuple(change for change in changes if not _is_ours(change, root, personal))


def _changes(lower: Path, upper: Path, merged: Path, work: Work) -> Iterator[Change]:
    done = None  # the folder that was compared whole
    for entry in walk(upper):
        work.advance(1)
        if done is not None and entry.path.startswith(f"{done}/"):
            continue
        with _look(lower, entry.path) as old, _look(merged, entry.path) as new:
            folders = [one is not None and stat.S_ISDIR(one.status.st_mode) for one in (old, new)]
            if any(folders) and (not all(folders) or _hides(entry)):
                done = entry.path
                yield from _compare_whole(old, new, work)
            else:
                change = _compare(old, new, (Names(), Names()), work)
                if change is not None:
                    yield change


def _compare_whole(old: Entry | None, new: Entry | None, work: Work) -> Iterator[Change]:
    names = Names(), Names()
    for before, after in pairs(_below(old), _below(new), lambda entry: entry.key):
        work.advance(1)
        change = _compare(before, after, names, work)
        if change is not None:
            yield change


def _compare(old: Entry | None, new: Entry | None, names: tuple[Names, Names], work: Work) -> Change | None:
    if old is None and new is None:
        return None  # somebody made and removed it
    one = describe(old, names[0]) if old else None
    two = describe(new, names[1]) if new else None
    return compare(one, two, lambda: old is not None and new is not None and same_file(old, new, Quiet(work)))


def _below(entry: Entry | None) -> Iterator[Entry]:
    """Give an entry and, where it is a folder, all that is in it, by their paths from the root of the tree."""
    if entry is None:
        return
    if not stat.S_ISDIR(entry.status.st_mode):
        yield entry
        return
    for inner in walk(Path(entry.handle)):
        yield replace(inner, path=f"{entry.path}/{inner.path}" if inner.path else entry.path)


@contextmanager
def _look(root: Path, path: str) -> Iterator[Entry | None]:
    """Find an entry without following a link; None where there is none."""
    above, _, name = path.rpartition("/")
    with contextlib.ExitStack() as held:
        try:
            folder = held.enter_context(folder_inside(root, above))
            status = os.stat(name or ".", dir_fd=folder, follow_symlinks=False)
        except OSError:
            yield None
            return
        yield Entry(path, folder, name or ".", status)


def _hides(entry: Entry) -> bool:
    """Whether a folder of the upper layer does not simply lie over the image's folder of the same name."""
    if not stat.S_ISDIR(entry.status.st_mode):
        return True
    try:
        return bool({_OPAQUE, _REDIRECT} & set(os.listxattr(entry.handle, follow_symlinks=False)))
    except FileNotFoundError:
        return True


def _is_ours(change: Change, root: Path, personal: Mapping[str, str]) -> bool:
    """Whether this is Grape's own doing."""
    written = personal.get(change.path)
    if written is None or change.kind is Difference.REMOVED:
        return False
    with _look(root, change.path) as entry:
        if entry is None:
            return False
        if not written:
            return change.kind is Difference.ADDED and stat.S_ISDIR(entry.status.st_mode)
        return _stamp(entry) == written


def _stamp(entry: Entry) -> str | None:
    """Name a file's content and attributes, as Grape did when it wrote it."""
    descriptor = open_regular(entry.folder, entry.name)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if status.st_size > LIMIT_BYTES:
            return None
        return stamp(stream.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
