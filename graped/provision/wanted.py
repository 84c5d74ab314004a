"""Which nodes need another root than they have. Pure.

An image that is named without a version ("bookworm") asks for *some* version of it: a node keeps the one it has, so
that an import moves nobody. A new version is taken by naming it, or by a reset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graped.config.types import Strategy
from graped.netboot.plan import NodePlan
from graped.netboot.roots.records import Origin, RootRecord


def wants_root(node: NodePlan) -> bool:
    """Whether a node is to have a root: one that boots from its own disk, or that no image is set for, is not."""
    return node.image != ""


def fits(node: NodePlan, record: RootRecord | None) -> bool:
    """Whether the root that a node has is the one that it should have."""
    if not wants_root(node):
        return True
    if record is None:
        return False
    return _same_image(node.image, record.image) and node.strategy in (Strategy.AUTO, record.strategy)


def unmet(nodes: Iterable[NodePlan], records: Mapping[str, RootRecord]) -> tuple[NodePlan, ...]:
    """Name the nodes that need a root made."""
    return tuple(node for node in nodes if not fits(node, records.get(node.name)))


def former(record: RootRecord | None, image: str) -> tuple[str, str]:
    """Tell generation and image of the root that a node had before it was moved to ``image``; "" where it had none.

    Pure. ``record`` may be from before the move or after it.
    """
    if record is None:
        return "", ""
    if record.image != image:
        return record.generation, record.image
    before = [one for one in record.kept if one.by is Origin.SET and one.image != image]
    return (before[-1].generation, before[-1].image) if before else ("", "")


def runs(record: RootRecord | None, image: str) -> bool:
    """Whether a node has a root on ``image`` and no other to boot from first. Pure."""
    return record is not None and record.image == image and not record.serving


def _same_image(asked: str, has: str) -> bool:
    name, _, version = asked.partition("@")
    has_name, _, has_version = has.partition("@")
    return name == has_name and has_version.startswith(version)
