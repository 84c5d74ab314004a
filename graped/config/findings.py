"""Collect what is wrong with a configuration, so that one run tells all of it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from graped.errors import Problem

Path = tuple[str, ...]

DEFAULT: Final = "default"  # the source of a value that no file sets
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SECRET: Final = re.compile(r"pass(word|wd|phrase)?|secret|token|credential", re.IGNORECASE)
_SHOWN_CHARS: Final = 60


def dotted(path: Iterable[str]) -> str:
    """Write a key path as TOML does; odd keys in quotes."""
    return ".".join(part if _BARE.fullmatch(part) else json.dumps(part) for part in path)


def secret(path: Iterable[str]) -> bool:
    """Say whether a value under this path may be a secret and must not be shown."""
    return any(_SECRET.search(part) for part in path)


def shown(value: object) -> str:
    """Describe a TOML value in a few words, on one line, never at length."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table" if value else "an empty table"
        case _:
            text = repr(value)
            return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def nearest(word: str, valid: Iterable[str]) -> str:
    """Find the valid word that was perhaps meant, else ''."""
    found = difflib.get_close_matches(word.lower(), list(valid), n=1)
    return found[0] if found else ""


class Findings:
    """Problems and warnings of one run, and which file set what.

    A path that was complained about is remembered: a rule that leans on its value is then not judged, because one
    mistake is to be told once.
    """

    def __init__(
        self, sources: Mapping[Path, str], problems: Iterable[Problem] = (), spoiled: Iterable[Path] = ()
    ) -> None:
        self.sources = sources
        self.problems = list(problems)
        self.warnings: list[str] = []
        self._spoiled = set(spoiled)

    def source(self, path: Path) -> str:
        """The file that set a value, or the nearest table around it; ``DEFAULT`` where no file did."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.sources:
                return self.sources[path[:end]]
        return DEFAULT

    def is_set(self, path: Path) -> bool:
        """Say whether a file sets exactly this key."""
        return path in self.sources

    def sound(self, *paths: Path) -> bool:
        """Say whether nothing was found wrong with these values or the tables around them."""
        return not any(path[:end] in self._spoiled for path in paths for end in range(1, len(path) + 1))

    def spoil(self, path: Path) -> None:
        """Remember that a value cannot be relied on."""
        self._spoiled.add(path)

    def refuse(self, path: Path, expected: str, value: object, *, near: str = "", hidden: bool = False) -> None:
        """Note a value that cannot be: its text is told unless it may be a secret (``hidden``: it surely may)."""
        found = "a value that is not shown here" if hidden or secret(path) else shown(value)
        self.spoil(path)
        self.note(path, expected, found, near=near)

    def unknown(self, path: Path, valid: Iterable[str], near: str = "") -> None:
        """Note a key that nothing knows; its value is never told."""
        valid = tuple(valid)
        near = near or nearest(path[-1], valid)
        if near in valid:
            self.spoil((*path[:-1], near))  # most likely this is what was meant to be set
        self.note(path, f"a known key ({', '.join(valid)})" if valid else "no keys here", repr(path[-1]), near=near)

    def note(self, path: Path, expected: str, found: str = "", *, near: str = "") -> None:
        """Note a mistake of which the values are sound by themselves."""
        problem = Problem(file=self.source(path), key=dotted(path), expected=expected, found=found, nearest=near)
        self.problems.append(problem)

    def warn(self, path: Path, message: str) -> None:
        """Note something that works, but deserves a look."""
        self.warnings.append(f"{self.source(path)}: {dotted(path)}: {message}")
