"""Which services of a system run, by links as ``systemctl`` makes them. Pure: a tree in, edits out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graped.netboot.images.edits import Edit, Link, Remove
from graped.netboot.images.tree import Tree

ETC: Final = "etc/systemd/system"
UNIT_FOLDERS: Final = ("usr/lib/systemd/system", "lib/systemd/system")
NOTHING: Final = "/dev/null"


def unit_file(tree: Tree, unit: str) -> str | None:
    """The path of a unit's file in the root, "/usr/lib/..."; None where it is not installed."""
    own = f"{ETC}/{unit}"
    if tree.status(own) is not None and tree.target(own) != NOTHING:
        return f"/{own}"
    template = unit.partition("@")[0] + "@.service" if "@" in unit else unit
    return next((f"/{folder}/{template}" for folder in UNIT_FOLDERS if tree.exists(f"{folder}/{template}")), None)


def enabled(tree: Tree, unit: str, wanted_by: str) -> Iterator[Edit]:
    """Have a unit started by a target."""
    file = unit_file(tree, unit)
    if file is None:
        return
    if tree.target(f"{ETC}/{unit}") == NOTHING:
        yield Remove(path=f"{ETC}/{unit}")
    wants = f"{ETC}/{wanted_by}.wants/{unit}"
    if tree.status(wants) is None:
        yield Link(path=wants, target=file)


def masked(tree: Tree, unit: str) -> Iterator[Edit]:
    """Have a unit never started, if it is there: also an init script, whose unit systemd makes at each boot."""
    if unit_file(tree, unit) is not None or tree.exists(f"etc/init.d/{unit.removesuffix('.service')}"):
        yield Link(path=f"{ETC}/{unit}", target=NOTHING)
