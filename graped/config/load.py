"""TOML files in, one validated configuration out, or every mistake of all files at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from graped.config import files, flat
from graped.config.files import Document
from graped.config.findings import DEFAULT, Findings
from graped.config.legacy import LEGACY_SECTIONS, without_legacy
from graped.config.rules import judge
from graped.config.shape import read_fields
from graped.config.stacks import read_stacks
from graped.config.types import Cluster, Config, DriverSpec
from graped.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration in force, and where each of its values comes from.

    ``values`` are (key path, plain value, file or "default"), in the order of the sections. ``settings_fault`` says
    why what commands had set is not used ("" where it is). ``document`` is what was read, without it and without the
    first daemon's keys, one of which is a password.
    """

    config: Config
    files: tuple[Path, ...]
    values: tuple[tuple[str, object, str], ...]
    warnings: tuple[str, ...]
    document: Document
    settings_fault: str = ""


def load(path: Path, drivers: Mapping[str, DriverSpec]) -> Loaded:
    """Read a file, then the ``config.d/*.toml`` beside it by name, and validate what they say together.

    Raises ConfigError whose ``problems`` are all mistakes of all files.
    """
    return validate(files.read(path), drivers)


def validate(document: Document, drivers: Mapping[str, DriverSpec]) -> Loaded:
    """Make a configuration of merged files. Raises ConfigError."""
    findings = Findings(document.sources, document.problems, document.spoiled)
    tree = without_legacy(document.tree, findings)
    config = _read(tree, drivers, findings)
    judge(config, drivers, findings, document.order)
    if findings.problems:
        count = len(findings.problems)
        raise ConfigError(
            f"the configuration has {count} mistake{'s' * (count > 1)}: {findings.problems[0]}"
            + (" (and more)" if count > 1 else ""),
            problems=tuple(findings.problems),
            hint="graped --check-config tells each of them.",
        )
    return Loaded(
        config=config,
        files=document.files,
        values=tuple((item.key, item.value, findings.sources.get(item.path, DEFAULT)) for item in flat.flatten(config)),
        warnings=tuple(findings.warnings),
        document=replace(document, tree=tree),
    )


def _read(tree: dict[str, Any], drivers: Mapping[str, DriverSpec], findings: Findings) -> Config:
    """Read each section; what is wrong keeps its default, so that the rules can go on."""
    sections: dict[str, Any] = {field.name: type(field.default) for field in fields(Config)}
    for key in [key for key in tree if key not in sections]:
        findings.unknown((key,), tuple(sections), _section_of(key, sections))
    read: dict[str, Any] = {}
    for name, cls in sections.items():
        table = tree.get(name, {})
        values = read_fields(cls, table, (name,), findings, apart=("stacks",))
        if cls is Cluster and isinstance(table, dict):
            values["stacks"] = read_stacks(table.get("stacks", {}), drivers, findings)
        read[name] = cls(**values)
    return Config(**read)


def _section_of(key: str, sections: Mapping[str, Any]) -> str:
    """Find the section that a key at the top belongs into, else ''."""
    homes = [name for name, cls in sections.items() if any(field.name == key for field in fields(cls))]
    return f"{homes[0]}.{key}" if homes and key not in LEGACY_SECTIONS else ""
