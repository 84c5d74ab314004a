"""Which process a server is: its pid, with what a recycled pid cannot have. launch.py needs it to be self-contained."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ENDED = ("Z", "X", "x")  # states of a process that runs no more. Source: proc(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One started process. Whoever gets its pid next has other ``started_ticks`` (since boot; /proc/PID/stat)."""

    pid: int
    started_ticks: int
    boot_id: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What /proc says of a process now."""

    state: str
    parent: int
    started_ticks: int


def of_self(argv: tuple[str, ...]) -> Record:
    """Describe the calling process, which is about to become ``argv``: exec keeps pid and start."""
    seen = look(os.getpid())
    assert seen is not None  # we run
    return Record(pid=os.getpid(), started_ticks=seen.started_ticks, boot_id=boot_id(), argv=argv)


def write(path: Path, record: Record) -> None:
    """Put a record into its file, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")
    os.replace(draft, path)


def read(path: Path) -> Record | None:
    """Read a record; None where there is none, or nothing that can be trusted."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            pid=int(found["pid"]),
            started_ticks=int(found["started_ticks"]),
            boot_id=str(found["boot_id"]),
            argv=tuple(str(word) for word in found["argv"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_alive(record: Record) -> bool:
    """Whether that very process runs: neither ended nor another one that got its pid."""
    seen = look(record.pid)
    return (
        seen is not None
        and seen.state not in ENDED
        and seen.started_ticks == record.started_ticks
        and boot_id() == record.boot_id
        and _last_word(record.pid) in ("", record.argv[-1])
    )


def look(pid: int) -> Seen | None:
    """Read /proc/PID/stat; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold blanks and parentheses
    return Seen(state=fields[0], parent=int(fields[1]), started_ticks=int(fields[19]))


def boot_id() -> str:
    """Name this boot of the machine: start times count from it."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def _last_word(pid: int) -> str:
    """End of the command line: the same with ``nsenter`` or an interpreter before it; "" in the midst of an exec."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").rpartition("\0")[2]
    except OSError:
        return ""
