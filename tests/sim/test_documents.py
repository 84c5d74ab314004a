"""The files that graped/README.md shows for the simulated rack are files that it takes."""

from __future__ import annotations

import re
from pathlib import Path

from graped.hardware.sim.blueprint import NodeKind
from graped.hardware.sim.faultfile import read_fault_file
from graped.hardware.sim.faults import FaultKind
from graped.hardware.sim.nodefile import read_nodes_file
from graped.model import SlotId

README = (Path(__file__).parents[2] / "graped" / "README.md").read_text()


def shown(name: str, tmp_path: Path) -> Path:
    """Write the example that starts with ``# NAME`` to a file."""
    found = re.search(rf"```toml\n(# {name}.*?)```", README, re.DOTALL)
    assert found is not None
    path = tmp_path / name
    path.write_text(found[1])
    return path


def test_the_fault_file_is_taken(tmp_path: Path) -> None:
    file = read_fault_file(shown("faults.toml", tmp_path))
    assert [(fault.kind, fault.stack, fault.op) for fault in file.faults] == [(FaultKind.FLIP, 0, "receive_byte")]
    assert file.seed == 1


def test_the_nodes_file_is_taken(tmp_path: Path) -> None:
    file = read_nodes_file(shown("nodes.toml", tmp_path), {0: frozenset(range(6))})
    assert file.entry(SlotId(0, 3)).kind is NodeKind.EXTERNAL
    assert file.entry(SlotId(0, 4)).hang_at == "tftp"
    assert file.entry(SlotId(0, 0)).kind is NodeKind.SIMULATED


def test_every_kind_of_fault_is_named() -> None:
    assert all(kind.value in README for kind in FaultKind)
