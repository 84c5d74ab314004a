"""``graped --check-config`` and ``graped --show-config``: what a person reads about a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TextIO

from graped.config import files
from graped.config.load import Loaded, load
from graped.config.render import to_toml
from graped.config.settings import effective
from graped.config.types import Config, DriverSpec
from graped.errors import ConfigError

OK: Final = 0
BAD_CONFIG: Final = 2
_COMMENT_COLUMN: Final = 44


def _nothing(_config: Config) -> Iterable[str]:
    return ()


def check(
    path: Path,
    drivers: Mapping[str, DriverSpec],
    out: TextIO,
    *,
    machine: Callable[[Config], Iterable[str]] = _nothing,
    notes: Callable[[Config], Iterable[str]] = _nothing,
) -> int:
    """Print each problem and each warning, one a line, and a count; return the exit code.

    ``machine`` judges what only this computer can tell (it knows the hardware, this module does not): its lines are
    problems too. It is asked when the files themselves are right. ``notes`` are what this computer lacks: warnings.
    """
    try:
        loaded = load(path, drivers)
    except ConfigError as error:
        return _refuse([str(problem) for problem in error.problems], out)
    _print_warnings((*loaded.warnings, *notes(loaded.config)), out, "warning: ")
    problems = list(machine(loaded.config))
    if problems:
        return _refuse(problems, out)
    stacks = loaded.config.cluster.stacks.values()
    amount = f"{_count(len(stacks), 'stack')}, {_count(sum(len(stack.devices) for stack in stacks), 'device')}"
    print(f"no errors in {_count(len(loaded.files), 'file')}: {amount}", file=out)
    return OK


def show(path: Path, drivers: Mapping[str, DriverSpec], out: TextIO, *, state_dir: Path | None = None) -> int:
    """Print the effective configuration as TOML, each value with the file it comes from; return the exit code.

    ``state_dir`` is where the settings are looked for instead of in ``store.state_dir``.
    """
    try:
        loaded = effective(files.read(path), drivers, lambda loaded: state_dir or loaded.config.store.state_dir)
    except ConfigError as error:
        return _refuse([str(problem) for problem in error.problems], out)
    _print_warnings((*loaded.warnings, *filter(None, [loaded.settings_fault])), out, "# warning: ")
    print(annotated(loaded), end="", file=out)
    return OK


def annotated(loaded: Loaded) -> str:
    """Return the effective configuration as TOML; the source of each value stands behind it as a comment."""
    sources = {key: source for key, _, source in loaded.values}
    lines: list[str] = []
    table = ""
    for line in to_toml(loaded.config).splitlines():
        key, is_value, _ = line.partition(" = ")
        if line.startswith("[") and not is_value:
            table = line.strip("[]")
        source = sources.get(f"{table}.{key}") if is_value else None
        lines.append(f"{line:<{_COMMENT_COLUMN}}  # {_one_line(source)}" if source else line)
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _refuse(problems: Iterable[str], out: TextIO) -> int:
    lines = list(problems)
    for line in lines:
        print(line, file=out)
    print(_count(len(lines), "error"), file=out)
    return BAD_CONFIG


def _print_warnings(warnings: Iterable[str], out: TextIO, prefix: str) -> None:
    for warning in warnings:
        print(f"{prefix}{warning}", file=out)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
