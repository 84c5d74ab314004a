"""Write a configuration as TOML, and tell two of them apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import toml

from graped.config import flat
from graped.config.findings import Path, dotted, shown
from graped.config.reload import NETBOOT_KEPT, network_moves
from graped.config.stacks import AT
from graped.config.types import Config, Device, Stack

_RESTART_SECTIONS: Final = frozenset({"api", "display", "gpio", "bus"})
_RESTART_KEYS: Final = frozenset(
    {
        ("store", "state_dir"),
        ("temperature", "overtemp_celsius"),
        ("temperature", "hysteresis_celsius"),
        *(("netboot", key) for key in NETBOOT_KEPT),
    }
)
_RESTART_STACK_KEYS: Final = frozenset({"driver", "bus", "address", "meter", "shunt_ohms", "options"})
_NO_DEVICE: Final = flat.plain(Device())
_NAMELESS_DRIVERS: Final = frozenset({"stack", "gpio_relay", "clusterhat"})  # any other is built with its nodes' names


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiff:
    """What differs, as lines ``key: old -> new``; ``needs_restart`` are those of ``changed`` that do not apply live."""

    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


class Encoder(toml.TomlEncoder):  # type: ignore[type-arg]
    """The package's encoder with strings that are TOML whatever is in them."""

    def __init__(self) -> None:
        super().__init__(dict)
        self.dump_funcs[str] = _text


def _text(value: str) -> str:
    """Quote a string: JSON's escapes are TOML's, but for the delete character, which JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def to_toml(config: Config) -> str:
    """Write the whole effective configuration, defaults included; loading it gives an equal one."""
    sections = _written(flat.tree(config))
    stacks = sections["cluster"].pop("stacks", {})
    tables = [{name: table} for name, table in sections.items()]
    tables += [{"cluster": {"stacks": {key: _stack_table(stack)}}} for key, stack in stacks.items()]
    return "\n".join(toml.dumps(table, encoder=Encoder()) for table in tables)


def _written(table: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not set."""
    written = {key: _written(item) if isinstance(item, dict) else item for key, item in table.items()}
    return {key: item for key, item in written.items() if item is not None}


def _stack_table(stack: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the tables of a stack that are empty; deeper ones may differ from their default by that."""
    return {key: item for key, item in stack.items() if item != {} or key not in ("options", "devices")}


def diff(old: Config, new: Config) -> ConfigDiff:
    """Compare two configurations value by value; a stack that comes or goes is one line."""
    before, after = old.cluster.stacks, new.cluster.stacks
    moved = {str(key) for key in before.keys() ^ after.keys()}
    lines = {
        (*AT, key): _line((*AT, key), _summary(before.get(int(key))), _summary(after.get(int(key))))
        for key in sorted(moved, key=int)
    }
    was, now = _values(old, moved), _values(new, moved)
    for path in dict.fromkeys((*was, *now)):
        one, other = was.get(path, _absent(path)), now.get(path, _absent(path))
        if one != other:
            lines[path] = _line(path, _word(one), _word(other))
    restart = tuple(line for path, line in lines.items() if _restarts(path, old, new))
    return ConfigDiff(changed=tuple(lines.values()), needs_restart=restart)


def _values(config: Config, without: set[str]) -> Mapping[Path, object]:
    return {
        item.path: item.value
        for item in flat.flatten(config)
        if not (item.path[:2] == AT and len(item.path) > 2 and item.path[2] in without)
    }


def _absent(path: Path) -> object:
    """Give the value of a key of a device that is not there: only what differs from it is told."""
    return _NO_DEVICE.get(path[-1]) if path[: len(AT)] == AT and path[3:4] == ("devices",) else None


def _restarts(path: Path, old: Config, new: Config) -> bool:
    if network_moves(old, new) and (path == ("netboot", "first_host") or (path[:2] == AT and path[-1] == "address")):
        return True
    if path[: len(AT)] != AT:
        return path[0] in _RESTART_SECTIONS or path in _RESTART_KEYS
    if len(path) == len(AT) + 1 or path[3] in _RESTART_STACK_KEYS:
        return True
    return path[-1] == "name" and old.cluster.stacks[int(path[2])].driver not in _NAMELESS_DRIVERS


def _summary(stack: Stack | None) -> str:
    if stack is None:
        return "none"
    count = len(stack.devices)
    return f"a stack of driver {stack.driver} with {count} device{'s' * (count != 1)}"


def _word(value: object) -> str:
    return "unset" if value is None else shown(value)


def _line(path: Path, old: str, new: str) -> str:
    return f"{dotted(path)}: {old} -> {new}"
