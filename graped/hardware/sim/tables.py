"""Read the simulator's own TOML files: every mistake of a file in one go."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from graped.errors import ConfigError, Problem

Table = dict[str, Any]


class TomlFile:
    """A file being read: what is wrong with it is collected in ``problems``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.root: Table = {}
        try:
            self.root = tomllib.loads(path.read_text())
        except OSError as error:
            self._refuse("a file that can be read", error.strerror or type(error).__name__)
        except ValueError as error:  # not TOML, or not UTF-8
            self._refuse("TOML", str(error))

    def _refuse(self, expected: str, found: str) -> None:
        """Write down that the file as a whole is no use."""
        words = found[:1].lower() + found[1:]
        self.problems.append(Problem(file=str(self.path), key="", expected=expected, found=words))

    def note(self, key: str, expected: str, found: object = None, *, valid: Iterable[str] = ()) -> None:
        """Write down one mistake."""
        near = get_close_matches(str(found), list(valid), n=1)
        self.problems.append(
            Problem(
                file=str(self.path),
                key=key,
                expected=expected,
                found="" if found is None else repr(found),
                nearest=near[0] if near else "",
            )
        )

    def only(self, table: Table, keys: Iterable[str], at: str = "") -> None:
        """Note every key that nobody knows."""
        keys = tuple(keys)
        for key in table:
            if key not in keys:
                self.note(f"{at}{key}", f"one of {', '.join(keys)}", key, valid=keys)

    def word(self, table: Table, key: str, words: Iterable[str], at: str = "") -> str | None:
        """Read one of some words; None where it is absent or wrong."""
        words = tuple(words)
        found = table.get(key)
        if found is None or found in words:
            return found
        self.note(f"{at}{key}", f"one of {', '.join(words)}", found, valid=words)
        return None

    def number(self, table: Table, key: str, least: float, most: float, at: str = "") -> float | None:
        """Read a number in a range; None where it is absent or wrong."""
        found = table.get(key)
        if found is None or (isinstance(found, int | float) and not isinstance(found, bool) and least <= found <= most):
            return found
        self.note(f"{at}{key}", f"a number from {least:g} to {most:g}", found)
        return None

    def table(self, table: Table, key: str, at: str = "") -> Table:
        """Read a table; an empty one where it is absent or wrong."""
        found = table.get(key, {})
        if isinstance(found, dict):
            return found
        self.note(f"{at}{key}", "a table", found)
        return {}

    def verdict(self) -> None:
        """Raise ConfigError with every problem, if there is any."""
        if self.problems:
            raise ConfigError(
                "\n".join(str(problem) for problem in self.problems),
                problems=tuple(self.problems),
            )
