"""What was changed, and what was there before: written to disk before each change.

``/var/lib/grape/setup/record.json``, and ``backups/`` with files by the hash of their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graped.errors import GrapeError
from graped.files import write_atomic
from master_setup.machine import Machine
from master_setup.options import Options, from_json

FOLDER: Final = "/var/lib/grape/setup"
FILE: Final = f"{FOLDER}/record.json"
BACKUPS: Final = f"{FOLDER}/backups"
FORMAT: Final = 1


class BadRecord(GrapeError):
    """The record cannot be read, so nothing can be undone or gone on with by it."""

    code = "bad_record"
    title = "The record of master_setup cannot be used"


@dataclass(slots=True, kw_only=True)
class Entry:
    """One want that was made, or was being made. ``made`` None: it did not come to its end."""

    key: str
    kind: str
    step: str
    fields: dict[str, Any]
    was: dict[str, Any] | None = None
    made: dict[str, Any] | None = None


@dataclass(slots=True)
class Record:
    """All entries, in the order in which they were made first."""

    machine: Machine
    options: Options = field(default_factory=Options)
    entries: dict[str, Entry] = field(default_factory=dict)

    def open(self, key: str, kind: str, step: str, fields: dict[str, Any]) -> Memory:
        """Return the memory of one want; nothing is written before it remembers something."""
        entry = self.entries.get(key) or Entry(key=key, kind=kind, step=step, fields=fields)
        entry.fields, entry.step = fields, step
        return Memory(self, entry)

    def memory(self, key: str) -> Memory:
        """Return the memory of an entry that is there."""
        return Memory(self, self.entries[key])

    def forget(self, key: str) -> None:
        """Take an entry out: it is undone."""
        if self.entries.pop(key, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the record; it is on disk when this returns."""
        make_folders(self.machine)
        raw = {
            "format": FORMAT,
            "options": self.options.to_json(),
            "entries": [
                {name: getattr(entry, name) for name in ("key", "kind", "step", "fields", "was", "made")}
                for entry in self.entries.values()
            ],
        }
        write_atomic(self.machine.path(FILE), json.dumps(raw, indent=1) + "\n", mode=0o600)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one want remembers: what was there before it, and what it made."""

    record: Record
    entry: Entry

    @property
    def was(self) -> Mapping[str, Any]:
        """What was there before the first change; empty where nothing was changed yet."""
        return self.entry.was or {}

    @property
    def made(self) -> Mapping[str, Any]:
        """What the last finished change left."""
        return self.entry.made or {}

    @property
    def finished(self) -> bool:
        """Whether the last change came to its end."""
        return self.entry.made is not None

    def remember(self, was: Mapping[str, Any], *, anew: bool = False) -> None:
        """Keep what is there before a change. The first time counts (but ``anew``): later runs see what we made."""
        if self.entry.was is None or anew:
            self.entry.was = dict(was)
        self.entry.made = None
        self.record.entries[self.entry.key] = self.entry
        self.record.save()

    def finish(self, made: Mapping[str, Any]) -> None:
        """Keep what the change left, once it has come to its end."""
        self.entry.made = dict(made)
        self.record.entries[self.entry.key] = self.entry
        self.record.save()

    def keep(self, data: bytes) -> str:
        """Put bytes into the backups; return their name there."""
        name = digest(data)
        make_folders(self.record.machine)
        write_atomic(self.record.machine.path(f"{BACKUPS}/{name}"), data, mode=0o600)
        return name

    def kept(self, name: str) -> bytes:
        """Return bytes from the backups."""
        data = self.record.machine.read(f"{BACKUPS}/{name}")
        if data is None or digest(data) != name:
            raise BadRecord(f"the backup {BACKUPS}/{name} is gone or damaged", hint="Restore it, or the file by hand.")
        return data


def digest(data: bytes) -> str:
    """Return the name of some bytes."""
    return hashlib.sha256(data).hexdigest()


def load(machine: Machine) -> Record:
    """Read the record; an empty one where there is none. Raises BadRecord."""
    data = machine.read(FILE)
    if data is None:
        return Record(machine)
    try:
        raw = json.loads(data)
        if raw["format"] != FORMAT:
            raise BadRecord(f"{FILE} is of format {raw['format']}, not {FORMAT}", hint="Use the version that wrote it.")
        entries = [Entry(**each) for each in raw["entries"]]
        return Record(machine, from_json(raw["options"]), {entry.key: entry for entry in entries})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"{FILE} cannot be read: {error}", hint="Restore it from a backup.") from error


def make_folders(machine: Machine) -> None:
    """Make the folders of the record: the state folder may be passed through, the record is root's."""
    state, setup = machine.path("/var/lib/grape"), machine.path(FOLDER)
    _folder(state, 0o711)
    _folder(setup, 0o700)
    _folder(machine.path(BACKUPS), 0o700)


def _folder(path: Path, mode: int) -> None:
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode)  # with its mode at once: no umask of ours takes from these
