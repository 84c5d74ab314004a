"""What enrolment found, as ``config.d/50-enrolled.toml`` beside the configuration file: MAC addresses of slots.

Laid out first: a change is merged with all files and judged before a byte is written. What a later file says of a
slot wins, and is left alone; so are a model and a serial that any other file gives.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import toml

from graped.config import files
from graped.config.findings import DEFAULT
from graped.config.load import Loaded
from graped.config.render import Encoder
from graped.config.stacks import AT
from graped.errors import ConfigError, Problem
from graped.files import write_atomic
from graped.model import SlotId

FILE: Final = "50-enrolled.toml"
FIRST_LINE: Final = "# Written by Grape: what enrolment found in the slots. A file of a later name wins over it.\n"
_OURS: Final = ("mac", "model", "serial")

Changes = Mapping[SlotId, Mapping[str, str | None]]  # keys of devices; None takes one out, mac = "" empties a slot
Judge = Callable[[files.Document], Loaded]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change that the configuration can take. ``left_out`` says per slot why something of it is not in."""

    file: Path
    old: str
    new: str
    left_out: Mapping[SlotId, str]

    @property
    def diff(self) -> str:
        """Tell the change as a unified diff; "" where there is none."""
        lines = difflib.unified_diff(
            self.old.splitlines(keepends=True), self.new.splitlines(keepends=True), str(self.file), str(self.file)
        )
        return "".join(lines)

    def write(self) -> bool:
        """Write it, whole or not at all; return whether anything changed. Raises: OSError."""
        if self.old == self.new:
            return False
        self.file.parent.mkdir(exist_ok=True)
        return write_atomic(self.file, self.new)


def file_of(config_file: Path) -> Path:
    """Tell where the drop-in of a configuration file is."""
    return config_file.parent / files.DROP_IN_FOLDER / FILE


def draft(config_file: Path, changes: Changes, judge: Judge) -> Draft:
    """Merge a change with what all files say, and judge the whole. Raises: ConfigError."""
    file = file_of(config_file)
    old, tree = _read(file)
    before = judge(files.read(config_file))
    sources = {key: source for key, _, source in before.values}
    wanted, left_out = _sift(changes, sources, str(file), files.read(config_file))
    for slot, keys in wanted.items():
        _lay(tree, slot, keys)
    if wanted:
        judge(files.read(config_file, {file: tree}))
    new = f"{FIRST_LINE}\n{toml.dumps(tree, encoder=Encoder())}" if tree else FIRST_LINE
    return Draft(file=file, old=old, new=new if wanted else old, left_out=left_out)


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except (OSError, ValueError) as error:
        what = str(error).partition("\n")[0]
        problem = Problem(file=str(file), key="", expected="TOML in a file that can be read", found=what)
        raise ConfigError(f"{problem}", problems=(problem,), hint="Repair the file, or remove it.") from error


def _sift(
    changes: Changes, sources: Mapping[str, str], file: str, document: files.Document
) -> tuple[dict[SlotId, dict[str, str | None]], dict[SlotId, str]]:
    """Leave out what a later file says, and what is not for us to say."""
    later = set(document.order[document.order.index(file) + 1 :]) if file in document.order else _after(document, file)
    wanted: dict[SlotId, dict[str, str | None]] = {}
    left_out: dict[SlotId, str] = {}
    for slot, keys in changes.items():
        path = (*AT, str(slot.stack), "devices", str(slot.slot))
        above = document.sources.get((*path, "mac"))
        if above in later:
            left_out[slot] = f"{above} says its mac, which wins"
            continue
        theirs = [
            key for key in keys if key != "mac" and sources.get(".".join((*path, key)), DEFAULT) not in (DEFAULT, file)
        ]
        if theirs and keys[theirs[0]] is not None:
            left_out[slot] = f"{sources['.'.join((*path, theirs[0]))]} says its {' and '.join(theirs)}"
        wanted[slot] = {key: value for key, value in keys.items() if key not in theirs}
    return wanted, left_out


def _after(document: files.Document, file: str) -> set[str]:
    """Name the files that would come after one that is not there yet."""
    return {other for other in document.order[1:] if Path(other).name > Path(file).name}


def _lay(tree: dict[str, Any], slot: SlotId, keys: Mapping[str, str | None]) -> None:
    """Lay the keys of one slot over the tree; what else is in the file stays."""
    table = tree
    for step in (*AT, str(slot.stack), "devices", str(slot.slot)):
        table = table.setdefault(step, {})
    for key, value in keys.items():
        assert key in _OURS
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
