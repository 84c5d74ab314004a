"""A configuration as plain values: one line a value, or a tree of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from graped.config.findings import Path as KeyPath
from graped.config.findings import dotted
from graped.config.types import Config, Stack

_BOARD: Final = Stack()


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One effective value; None where nothing is set and the daemon finds out by itself."""

    path: KeyPath
    value: object

    @property
    def key(self) -> str:
        """The key path as TOML writes it."""
        return dotted(self.path)


def flatten(config: Config) -> tuple[Value, ...]:
    """List all values of a configuration, those of the stacks by key."""
    return tuple(_leaves(tree(config), ()))


def tree(config: Config) -> dict[str, Any]:
    """Return the tables of a configuration: text, numbers, booleans, lists, None."""
    whole: dict[str, Any] = plain(config)
    for stack in whole["cluster"]["stacks"].values():
        if stack["driver"] != _BOARD.driver and stack["shunt_ohms"] == _BOARD.shunt_ohms:
            del stack["shunt_ohms"]  # means nothing there, and no file may say it
    return whole


def plain(value: object) -> Any:
    """Turn what a configuration holds into what TOML and JSON hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _field(value, field.name) for field in fields(value)}
    match value:
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case Enum():
            return value.value
        case Path() | IPv4Address() | IPv4Network():  # an IPv4Interface is one too, and says its network
            return str(value)
        case Set():
            return sorted((plain(item) for item in value), key=repr)
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value


def _field(holder: object, name: str) -> Any:
    value = getattr(holder, name)
    cls: Any = type(holder)
    return False if value is None and false_is_none(cls, name) else plain(value)


@cache
def false_is_none(cls: Any, name: str) -> bool:
    """Say whether ``false`` switches a value off: TOML has no word for nothing, and the default is something."""
    default = next(field.default for field in fields(cls) if field.name == name)
    kinds = get_args(get_type_hints(cls)[name])
    return default not in (None, MISSING) and type(None) in kinds and bool not in kinds


def _leaves(table: Mapping[str, Any], at: KeyPath) -> Iterator[Value]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*at, key))
        elif at[:2] != ("cluster", "stacks") or key != "options" or value is not None:
            yield Value(path=(*at, key), value=value)
