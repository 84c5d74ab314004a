"""Read the TOML files and merge them key by key, remembering which file set what. No meaning is judged here."""

from __future__ import annotations

import copy
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from graped.config.findings import Path as KeyPath
from graped.config.findings import dotted
from graped.errors import Problem

DROP_IN_FOLDER: Final = "config.d"
_MAX_DEPTH: Final = 16  # the deepest key of ours is at 7; keeps everything below from deep recursion
_MAX_BYTES: Final = 4 << 20  # a full cluster needs about 20 kB
_PLACE: Final = re.compile(r"\s*\(at (line \d+, column \d+|end of document)\)$")

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """All files merged: the tree, and for each table and value the file that set it last."""

    tree: Table
    sources: dict[KeyPath, str]
    order: tuple[str, ...]  # the files, first to last
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]
    spoiled: frozenset[KeyPath]  # values that were taken out


def read(path: Path, instead: Mapping[Path, Table] | None = None) -> Document:
    """Read a file and the drop-ins beside it; what cannot be read is a problem of that file alone.

    ``instead`` has what is to be taken for drop-ins of that path, whether they are there yet or not.
    """
    problems: list[Problem] = []
    drop_ins = {*_drop_ins(path.parent / DROP_IN_FOLDER, problems), *(instead or {})}
    files = (path, *sorted(drop_ins, key=lambda file: file.name))
    parts: list[tuple[str, Table]] = []
    for file in files:
        parsed = instead[file] if instead and file in instead else _parse(file)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        else:
            parts.append((str(file), parsed))
    return merge(parts, files=files, problems=problems)


def merge(
    parts: Sequence[tuple[str, Table]], *, files: tuple[Path, ...] = (), problems: Iterable[Problem] = ()
) -> Document:
    """Merge tables key by key, the later one wins; values that TOML allows and we never do are taken out."""
    tree: Table = {}
    sources: dict[KeyPath, str] = {}
    complaints = list(problems)
    spoiled: set[KeyPath] = set()
    for name, table in parts:
        clean = _sift_table(table, (), name, complaints, spoiled)
        _merge_into(tree, clean, (), name, sources)
    order = tuple(name for name, _ in parts)
    return Document(
        tree=tree,
        sources=sources,
        order=order,
        files=files,
        problems=tuple(complaints),
        spoiled=frozenset(spoiled),
    )


def lay_over(document: Document, name: str, table: Table) -> Document:
    """Merge one more table over a document, as if it had been the last file."""
    problems: list[Problem] = []
    spoiled: set[KeyPath] = set()
    tree, sources = copy.deepcopy(document.tree), dict(document.sources)
    _merge_into(tree, _sift_table(table, (), name, problems, spoiled), (), name, sources)
    return replace(
        document,
        tree=tree,
        sources=sources,
        order=(*document.order, name),
        files=(*document.files, Path(name)),
        problems=(*document.problems, *problems),
        spoiled=document.spoiled | spoiled,
    )


def _drop_ins(folder: Path, problems: list[Problem]) -> tuple[Path, ...]:
    """List the drop-in files by name; none where there is no such folder."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(_unreadable(folder, "a folder that can be read", error))
        return ()
    return tuple(folder / name for name in names if name.endswith(".toml") and not name.startswith("."))


def _unreadable(path: Path, expected: str, error: OSError) -> Problem:
    return Problem(file=str(path), key="", expected=expected, found=(error.strerror or type(error).__name__).lower())


def _parse(path: Path) -> Table | Problem:
    """Read one file as TOML, or say why that cannot be."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        return _unreadable(path, "a file that can be read", error)
    if len(raw) > _MAX_BYTES:
        return Problem(file=str(path), key="", expected=f"at most {_MAX_BYTES} bytes", found="more")
    try:
        return tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Problem(file=str(path), key=f"line {line}", expected="text in UTF-8", found="other bytes")
    except RecursionError:
        return Problem(file=str(path), key="", expected=f"at most {_MAX_DEPTH} levels", found="more")
    except ValueError as error:  # TOMLDecodeError, or a decimal number that Python refuses to read
        return _syntax(path, str(error))


def _syntax(path: Path, message: str) -> Problem:
    place = _PLACE.search(message)
    text = message[: place.start()] if place else message
    found = text[:1].lower() + text[1:]
    return Problem(file=str(path), key=place[1] if place else "", expected="TOML", found=found)


def _merge_into(into: Table, table: Table, at: KeyPath, name: str, sources: dict[KeyPath, str]) -> None:
    for key, value in table.items():
        path = (*at, key)
        if not isinstance(value, dict):
            _forget(sources, path)
            into[key] = value
        else:
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge_into(into[key], value, path, name, sources)
        sources[path] = name


def _forget(sources: dict[KeyPath, str], path: KeyPath) -> None:
    """A value replaces a table: nothing is left of what was in it."""
    for known in [known for known in sources if len(known) > len(path) and known[: len(path)] == path]:
        del sources[known]


def _sift_table(table: Table, at: KeyPath, name: str, problems: list[Problem], spoiled: set[KeyPath]) -> Table:
    """Copy a table without the values that no key of ours can have."""
    clean: Table = {}
    for key, value in table.items():
        path = (*at, key)
        complaint = _complaint(value, len(path))
        if complaint:
            problems.append(Problem(file=name, key=dotted(path), expected=complaint[0], found=complaint[1]))
            spoiled.add(path)
        elif isinstance(value, dict):
            clean[key] = _sift_table(value, path, name, problems, spoiled)
        else:
            clean[key] = value
    return clean


def _complaint(value: object, depth: int) -> tuple[str, str] | None:
    """Say what is wrong with a value whatever its key is: (expected, found), or None. Tables are sifted, not judged."""
    match value:
        case _ if depth > _MAX_DEPTH:
            return f"at most {_MAX_DEPTH} levels of tables and lists", "more"
        case bool() | str() | dict():
            return None
        case int():
            return None if -(1 << 63) <= value < 1 << 63 else ("a number of 64 bits", "a longer one")
        case float():
            return None if math.isfinite(value) else ("a finite number", str(value))
        case list():
            return next(filter(None, (_complaint_in_list(item, depth + 1) for item in value)), None)
        case _:
            return "text, a number, true, false, a list or a table", "a date or time"


def _complaint_in_list(value: object, depth: int) -> tuple[str, str] | None:
    own = _complaint(value, depth)
    if own or not isinstance(value, dict):
        return own
    return next(filter(None, (_complaint_in_list(item, depth + 1) for item in value.values())), None)
