"""Turn one TOML table into the fields of one dataclass; each value is validated by pydantic, strictly."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError

from graped.config.expected import Expected
from graped.config.findings import Findings, Path, nearest
from graped.config.flat import false_is_none
from graped.config.limits import LIMITS
from graped.errors import GrapeError

_PYDANTIC_PREFIX: Final = "Input should be "
_PLAIN: Final = {  # pydantic's words for a type -> those of a person who writes TOML
    "a valid array": "a list",
    "an object": "a table",
    "a valid string": "text in quotes",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
}


def read_fields(
    cls: type, table: object, path: Path, findings: Findings, *, apart: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the arguments for ``cls`` that a table sets and that are valid; note everything else.

    Fields named in ``apart`` are known keys that the caller reads. An unknown key is told with the nearest valid one.
    """
    if not isinstance(table, dict):
        findings.refuse(path, "a table", table)
        return {}
    names = tuple(field.name for field in fields(cls))
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            findings.unknown((*path, key), names)
        elif key not in apart:
            _read_field(cls, key, value, (*path, key), findings, values)
    return values


def build(cls: type, table: object, path: Path, findings: Findings) -> Any:
    """Make an instance of a driver's dataclass; None where its table is not good enough (then that is noted)."""
    before = len(findings.problems)
    values = read_fields(cls, table, path, findings)
    given = table if isinstance(table, dict) else {}
    for name in [name for name in _required(cls) if name not in given]:
        findings.refuse((*path, name), "a value", None)
    if len(findings.problems) > before:
        return None
    try:
        return cls(**values)
    except (ValueError, GrapeError) as error:
        findings.spoil(path)
        findings.note(path, str(error))
        return None


def _required(cls: type) -> list[str]:
    return [
        field.name
        for field in fields(cls)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    ]


def _read_field(cls: type, key: str, value: object, path: Path, findings: Findings, into: dict[str, Any]) -> None:
    hint = _hint(cls, key)
    if value is False and false_is_none(cls, key):
        into[key] = None
    elif isinstance(hint, type) and is_dataclass(hint):
        built = build(hint, value, path, findings)
        if built is not None:
            into[key] = built
    else:
        _validate(cls, key, value, path, findings, into)


def _validate(cls: type, key: str, value: object, path: Path, findings: Findings, into: dict[str, Any]) -> None:
    try:
        # As JSON, because keys of tables are text there as they are in TOML; strict: "5" is not a number.
        read = _adapter(cls, key).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        _tell(cls, key, value, path, findings, error)
        return
    if isinstance(read, dict) and isinstance(value, dict) and len(read) != len(value):
        findings.refuse(path, "each key once", value)
    else:
        into[key] = read


def _tell(cls: type, key: str, value: object, path: Path, findings: Findings, error: ValidationError) -> None:
    """Note what pydantic found, one problem for each place inside the value."""
    own = next((mark for mark in _marks(cls, key) if isinstance(mark, Expected)), None)
    told: dict[tuple[Path, str], list[str]] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        at, inner = _follow(value, path, item["loc"])
        words = item["msg"].removeprefix(_PYDANTIC_PREFIX)
        told.setdefault((at, json.dumps(inner)), []).append(_PLAIN.get(words, words))
    for (at, inner), said in told.items():
        part = json.loads(inner)
        near = nearest(str(part), _choices(cls, key)) if isinstance(part, str | int) else ""
        words = own.words if own else " or ".join(dict.fromkeys(said))
        findings.refuse(at, words, part, near=near, hidden=own is not None and own.hidden)


def _follow(value: Any, path: Path, location: tuple[int | str, ...]) -> tuple[Path, Any]:
    """Walk into a value as far as pydantic's location names real parts of it."""
    for step in location:
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            break
        path = (*path, str(step))
    return path, value


def _choices(cls: type, key: str) -> list[str]:
    hint = _hint(cls, key)
    members = getattr(hint, "__members__", {})
    return [str(member.value) for member in members.values()]


@cache
def _hint(cls: type, key: str) -> Any:
    own = LIMITS.get(cls, {}).get(key)
    return own if own is not None else get_type_hints(cls, include_extras=True)[key]


@cache
def _adapter(cls: type, key: str) -> TypeAdapter[Any]:
    return TypeAdapter(_hint(cls, key))


def _marks(cls: type, key: str) -> tuple[Any, ...]:
    return getattr(_hint(cls, key), "__metadata__", ())
