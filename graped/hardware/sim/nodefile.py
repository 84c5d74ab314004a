"""The nodes file (``--sim-nodes``): what sits in which slot of the simulated rack.

::

    default = "simulated"      # or "empty", "external"
    scale = 1.0                # of all boot times
    seed = 1                   # other boot times, noise and faults
    [stacks.0]
    default = "empty"
    [stacks.0.slots]
    3 = "simulated"
    4 = { kind = "simulated", boot_s = 7.5, hang_at = "tftp", mac = "b8:27:eb:00:00:04", watts = 6.0 }
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from graped.hardware.sim.blueprint import NodeKind
from graped.hardware.sim.nodes import HANGABLE
from graped.hardware.sim.tables import Table, TomlFile
from graped.model import SlotId

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NODE_KEYS = ("kind", "boot_s", "hang_at", "mac", "watts")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntry:
    """What the file says of one slot; None: it says nothing."""

    kind: NodeKind = NodeKind.SIMULATED
    boot_s: float | None = None
    hang_at: str | None = None
    mac: str | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesFile:
    """The whole file."""

    default: NodeKind = NodeKind.SIMULATED
    defaults: dict[int, NodeKind] = field(default_factory=dict)  # by stack
    slots: dict[SlotId, NodeEntry] = field(default_factory=dict)
    scale: float = 1.0
    seed: int = 1

    def entry(self, slot: SlotId) -> NodeEntry:
        """Tell what sits in a slot."""
        return self.slots.get(slot) or NodeEntry(kind=self.defaults.get(slot.stack, self.default))


def read_nodes_file(path: Path, slots: Mapping[int, Set[int]]) -> NodesFile:
    """Read and check a nodes file against the slots of each stack; raise ConfigError with everything wrong."""
    file = TomlFile(path)
    file.only(file.root, ("default", "scale", "seed", "stacks"))
    default = _kind(file, file.root, "default", "") or NodeKind.SIMULATED
    scale = file.number(file.root, "scale", 0.001, 1000)
    seed = file.number(file.root, "seed", 0, 2**53)
    defaults: dict[int, NodeKind] = {}
    entries: dict[SlotId, NodeEntry] = {}
    stacks = file.table(file.root, "stacks")
    for key in stacks:
        at = f"stacks.{key}."
        if not key.isdecimal() or int(key) not in slots:
            file.note(f"stacks.{key}", "a stack of the configuration", key)
            continue
        table = file.table(stacks, key, "stacks.")
        file.only(table, ("default", "slots"), at)
        kind = _kind(file, table, "default", at) or default
        defaults[int(key)] = kind
        entries |= _entries(file, int(key), file.table(table, "slots", at), kind, slots[int(key)])
    file.verdict()
    return NodesFile(
        default=default,
        defaults=defaults,
        slots=entries,
        scale=1.0 if scale is None else float(scale),
        seed=1 if seed is None else int(seed),
    )


def _entries(file: TomlFile, stack: int, table: Table, default: NodeKind, slots: Set[int]) -> dict[SlotId, NodeEntry]:
    entries: dict[SlotId, NodeEntry] = {}
    for key, value in table.items():
        at = f"stacks.{stack}.slots.{key}"
        if not key.isdecimal() or int(key) not in slots:
            file.note(at, "a slot that the stack has", key)
        elif isinstance(value, dict):
            entries[SlotId(stack, int(key))] = _entry(file, value, default, f"{at}.")
        else:
            kind = _kind(file, table, key, f"stacks.{stack}.slots.")
            entries[SlotId(stack, int(key))] = NodeEntry(kind=kind or default)
    return entries


def _entry(file: TomlFile, table: Table, default: NodeKind, at: str) -> NodeEntry:
    file.only(table, _NODE_KEYS, at)
    mac = table.get("mac")
    if mac is not None and not (isinstance(mac, str) and _MAC.fullmatch(mac.lower())):
        file.note(f"{at}mac", "a MAC address with colons", mac)
        mac = None
    return NodeEntry(
        kind=_kind(file, table, "kind", at) or default,
        boot_s=file.number(table, "boot_s", 0.01, 86_400, at),
        hang_at=file.word(table, "hang_at", HANGABLE, at),
        mac=mac.lower() if mac else None,
        watts=file.number(table, "watts", 0, 1000, at),
    )


def _kind(file: TomlFile, table: Table, key: str, at: str) -> NodeKind | None:
    word = file.word(table, key, NodeKind, at)
    return None if word is None else NodeKind(word)
