"""What commands set at run time: ``settings.toml`` in the state directory, merged over all files.

It has the shape of the configuration, but for keys of devices alone, and never makes a stack or a device: what no
file has any more is passed over. A settings file that cannot be used is as if it were not there; it is told, and
nothing is written into it until somebody has repaired or removed it.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import toml

from graped.config import files
from graped.config.findings import Findings, dotted
from graped.config.load import Loaded, validate
from graped.config.render import Encoder
from graped.config.shape import read_fields
from graped.config.stacks import AT
from graped.config.types import Config, Device, DriverSpec
from graped.errors import ConfigError, Problem
from graped.files import write_atomic
from graped.model import SlotId

FILE: Final = "settings.toml"
KEYS: Final = ("image", "strategy", "model", "boot", "role", "recovery", "quarantine")  # of a device
_FIRST_LINE: Final = "# Written by Grape: what commands set at run time. Do not edit while graped runs.\n"
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)
_WRITING: Final = threading.Lock()  # between reading what is there and writing it back
_MAX_BYTES: Final = 1 << 20  # 96 devices need about 20 kB

Settings = dict[SlotId, dict[str, str]]


def _state_dir(loaded: Loaded) -> Path:
    return loaded.config.store.state_dir


def effective(
    document: files.Document, drivers: Mapping[str, DriverSpec], where: Callable[[Loaded], Path] = _state_dir
) -> Loaded:
    """Validate what was read of all files with the settings over it; ``where`` tells the state directory.

    Raises: ConfigError for the files; a settings file that cannot be used is told in ``Loaded.settings_fault``.
    """
    loaded = validate(document, drivers)
    file = where(loaded) / FILE
    try:
        settings, passed_over = _of_devices(read(file), loaded.config)
        if settings:
            over = validate(files.lay_over(document, str(file), _table(settings)), drivers)
            loaded = replace(over, document=loaded.document)
    except ConfigError as error:
        told = "; ".join(str(problem) for problem in error.problems)
        return replace(loaded, settings_fault=f"settings are not used: {told}")
    if passed_over:
        names = ", ".join(str(slot.default_name) for slot in passed_over)
        warning = f"{file}: passed over, because no file has these devices any more: {names}"
        loaded = replace(loaded, warnings=(*loaded.warnings, warning))
    return loaded


def read(file: Path) -> Settings:
    """Read a settings file; nothing where there is none. Raises: ConfigError."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _broken(file, "", "a file that can be read", (error.strerror or type(error).__name__).lower()) from error
    if len(raw) > _MAX_BYTES:
        raise _broken(file, "", f"at most {_MAX_BYTES} bytes", "more")
    try:
        tree = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise _broken(file, "", "TOML", str(error).partition("\n")[0]) from error
    return _parse(tree, file)


def set_devices(state_dir: Path, changes: Mapping[SlotId, Mapping[str, str | None]]) -> bool:
    """Set keys of one or more devices together, None clears one; return whether anything changed.

    All of it is on disk when this returns, or none. Raises: ConfigError where a value or the file there is not good.
    """
    file = state_dir / FILE
    with _WRITING:
        settings = read(file)
        for slot, keys in changes.items():
            kept = {**settings.get(slot, {}), **keys}
            settings[slot] = {key: value for key, value in kept.items() if value is not None}
        settings = {slot: keys for slot, keys in sorted(settings.items()) if keys}
        _parse(_table(settings), file)
        text = toml.dumps(_table(settings), encoder=Encoder()) if settings else ""
        return write_atomic(file, f"{_FIRST_LINE}\n{text}" if text else _FIRST_LINE)


def set_device(state_dir: Path, slot: SlotId, keys: Mapping[str, str | None]) -> bool:
    """Set keys of one device; see :func:`set_devices`."""
    return set_devices(state_dir, {slot: keys})


def _parse(tree: dict[str, Any], file: Path) -> Settings:
    """Take the devices out of the tables; anything else in them spoils the file. Raises: ConfigError."""
    findings = Findings({(key,): str(file) for key in tree})
    stacks = _only(tree, AT, file)
    settings: Settings = {}
    for stack, content in stacks.items():
        devices = _only(content, ("devices",), file)
        for slot, keys in devices.items():
            at = (*AT, stack, "devices", slot)
            if not (_NUMBER.fullmatch(stack) and _NUMBER.fullmatch(slot) and isinstance(keys, dict)):
                raise _broken(file, dotted(at), "the settings of a device", repr(slot))
            for key in [key for key in keys if key not in KEYS]:
                findings.unknown((*at, key), KEYS)
            known = {key: value for key, value in keys.items() if key in KEYS}
            read_fields(Device, known, at, findings)
            settings[SlotId(int(stack), int(slot))] = known
    if findings.problems:
        raise ConfigError(f"{file} cannot be used: {findings.problems[0]}", problems=tuple(findings.problems))
    return settings


def _only(table: object, path: tuple[str, ...], file: Path) -> dict[str, Any]:
    """Go down a path of tables in which nothing else may be. Raises: ConfigError."""
    for step in path:
        if not isinstance(table, dict) or table.keys() - {step}:
            raise _broken(file, "", f"nothing but {dotted(path)}", "something else")
        table = table.get(step, {})
    if not isinstance(table, dict):
        raise _broken(file, dotted(path), "a table", "something else")
    return table


def _table(settings: Settings) -> dict[str, Any]:
    stacks: dict[str, Any] = {}
    for slot, keys in settings.items():
        stacks.setdefault(str(slot.stack), {"devices": {}})["devices"][str(slot.slot)] = keys
    return {"cluster": {"stacks": stacks}} if stacks else {}


def _of_devices(settings: Settings, config: Config) -> tuple[Settings, list[SlotId]]:
    """Keep the settings of devices that the files have; return the slots of the others too."""
    stacks = config.cluster.stacks
    there = {slot for slot in settings if slot.stack in stacks and slot.slot in stacks[slot.stack].devices}
    return {slot: settings[slot] for slot in settings if slot in there}, sorted(settings.keys() - there)


def _broken(file: Path, key: str, expected: str, found: str) -> ConfigError:
    problem = Problem(file=str(file), key=key, expected=expected, found=found)
    hint = "Repair the file, or remove it: then the configuration files alone count."
    return ConfigError(f"{problem}", problems=(problem,), hint=hint)
