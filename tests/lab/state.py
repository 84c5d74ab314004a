"""What a machine holds: every path of its tree with all but its times, and how two such states differ.

Nothing is left out by a list of paths. What may differ between a machine before and after falls under a rule, and
a rule is found on the machine: where apt and dpkg keep their state, where systemd says that logs and caches are, what
changes on a machine that nobody touches (seen over a reboot).
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

KEPT_BYTES: Final = 8192  # a file up to this size is kept whole, so that a difference can be shown
DIFF_LINES: Final = 12
KINDS: Final = {
    stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFSOCK: "socket", stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device", stat.S_IFBLK: "block device",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is at one path."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: bytes  # a small file's bytes, a larger one's digest, a link's target, a device's number
    same_as: str  # the first path of the same inode: who is a hard link to whom
    attributes: tuple[tuple[str, bytes], ...]


State = Mapping[str, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How one path differs."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What may differ, and why."""

    reason: str
    covers: Callable[[str], bool]


def take(root: Path) -> State:
    """Read a whole tree. Keys are paths as the machine names them."""
    first: dict[tuple[int, int], str] = {}
    return {name: _entry(path, name, first) for path, name in _walk(root, "/")}


def changes(before: State, after: State, rules: Collection[Rule] = ()) -> list[Change]:
    """Tell each path that differs and falls under no rule."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        what = _difference(before.get(path), after.get(path))
        if what and not any(rule.covers(path) for rule in rules):
            found.append(Change(path=path, what=what))
    return found


def below(folder: str, reason: str) -> Rule:
    """What is below a folder may differ; the folder itself may not."""
    top = f"{folder.rstrip('/')}/"
    return Rule(reason=reason, covers=lambda path: path.startswith(top))


def restless(before: State, after: State) -> Rule:
    """What differed between two states of a machine that nobody touched may differ."""
    paths = frozenset(change.path for change in changes(before, after))
    return Rule(reason="changes on a machine that nobody touches", covers=paths.__contains__)


def backups(*states: State) -> Rule:
    """A copy ``passwd-`` that the account tools keep of ``passwd`` may differ."""
    copies = frozenset(
        path for state in states for path in state if path.endswith("-") and path.removesuffix("-") in state
    )
    return Rule(reason="the account tools' copy of what was before", covers=copies.__contains__)


def rules_of(ask: Callable[..., str]) -> list[Rule]:
    """Ask a machine's own tools where that lies which may differ; ``ask`` runs one there and gives its output."""
    answer = ask("apt-config", "shell", *(word for pair in APT.items() for word in pair))
    apt = dict(line.split("=", 1) for line in answer.splitlines())
    found = [below(apt[name].strip("'"), "apt's own") for name in ("STATE", "CACHE", "LOG")]
    found.append(
        below(os.path.dirname(apt["STATUS"].strip("'")), "dpkg's own; which packages there are is asked apart")
    )
    for name, reason in PLACES.items():
        found.append(below(ask("systemd-path", name).strip(), reason))
    return [*found, _made_by_systemd(ask)]


def _made_by_systemd(ask: Callable[..., str]) -> Rule:
    """A service's folder of state is made when it starts, perhaps for the first time, and is never removed."""
    top = ask("systemd-path", "system-state-private").strip()
    files = ask("sh", "-c", "cat /lib/systemd/system/*.service")
    names = (line.split("=", 1)[1].split() for line in files.splitlines() if line.startswith("StateDirectory="))
    folders = frozenset(f"{top}/{name}" for each in names for name in each)
    return Rule(reason="made by systemd for a service that was there before", covers=folders.__contains__)


APT: Final = {
    "STATE": "Dir::State/d", "CACHE": "Dir::Cache/d", "LOG": "Dir::Log/d", "STATUS": "Dir::State::status/f",
}  # fmt: skip
PLACES: Final = {
    "system-state-logs": "logs",
    "system-state-cache": "caches: made anew by whoever needs them",
    "temporary-large": "temporary",
}


def _walk(folder: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Give everything in a tree in a fixed order, the top first; links are not followed."""
    yield folder, name
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path, there = Path(entry.path), f"{name.rstrip('/')}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, there)
        else:
            yield path, there


def _entry(path: Path, name: str, first: dict[tuple[int, int], str]) -> Entry:
    status = path.lstat()
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return Entry(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        content=_content(path, kind, status),
        same_as=name if kind == "folder" else first.setdefault((status.st_dev, status.st_ino), name),
        attributes=tuple((each, os.getxattr(path, each, follow_symlinks=False)) for each in names),
    )


def _content(path: Path, kind: str, status: os.stat_result) -> bytes:
    match kind:
        case "file" if status.st_size <= KEPT_BYTES:
            return path.read_bytes()
        case "file":
            with path.open("rb") as stream:
                return b"sha256:" + hashlib.file_digest(stream, "sha256").digest()
        case "link":
            return os.fsencode(os.readlink(path))
        case "character device" | "block device":
            return str(status.st_rdev).encode()
        case _:
            return b""


def _difference(before: Entry | None, after: Entry | None) -> str:
    if before is None or after is None:
        there = after or before
        return "" if there is None else f"{'new' if before is None else 'gone'}: a {there.kind}"
    parts = [
        f"{field.name} {_shown(getattr(before, field.name))} -> {_shown(getattr(after, field.name))}"
        for field in fields(Entry)
        if field.name != "content" and getattr(before, field.name) != getattr(after, field.name)
    ]
    if before.content != after.content:
        parts.append(_diff(before.content, after.content))
    return "; ".join(parts)


def _shown(value: object) -> str:
    return f"{value:04o}" if isinstance(value, int) else str(value)


def _diff(before: bytes, after: bytes) -> str:
    """Show how contents differ, as far as they can be read."""
    try:
        lines = [data.decode().splitlines() for data in (before, after)]
    except UnicodeDecodeError:
        return "other content"
    told = [line for line in difflib.unified_diff(*lines, lineterm="", n=0) if not line.startswith(("---", "+++"))]
    return "\n  ".join(["other content", *told[:DIFF_LINES]])
