"""The fault file (``--sim-faults``): ``[[fault]]`` tables with the fields of ``SimFault``, and perhaps a ``seed``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graped.hardware.sim.faults import SimFault, parse_fault
from graped.hardware.sim.tables import TomlFile


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFile:
    """What a fault file says; ``seed`` makes the draws repeat."""

    faults: tuple[SimFault, ...] = ()
    seed: int | None = None


def read_fault_file(path: Path) -> FaultFile:
    """Read and check a fault file; raise ConfigError with everything that is wrong with it."""
    file = TomlFile(path)
    file.only(file.root, ("fault", "seed"))
    seed = file.number(file.root, "seed", 0, 2**53)
    tables = file.root.get("fault", [])
    if not isinstance(tables, list):
        file.note("fault", "an array of tables, [[fault]]", tables)
        tables = []
    faults: list[SimFault] = []
    for number, table in enumerate(tables):
        if not isinstance(table, dict):
            file.note(f"fault[{number}]", "a table", table)
            continue
        fault, problems = parse_fault(table, file=str(path), at=f"fault[{number}].")
        file.problems.extend(problems)
        if fault is not None:
            faults.append(fault)
    file.verdict()
    return FaultFile(faults=tuple(faults), seed=None if seed is None else int(seed))
