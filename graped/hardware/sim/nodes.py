"""Simulated nodes: which boot stage a node has reached so long after its power came on."""

from __future__ import annotations

from dataclasses import dataclass

from graped.hardware.sim.blueprint import NodeKind, NodePlan
from graped.model import Stage

# When a stage begins, as a part of the whole boot. About what a netbooting Pi 4 does, much faster.
BEGINS: tuple[tuple[Stage, float], ...] = (
    (Stage.POWERED, 0.0),
    (Stage.DHCP, 0.14),
    (Stage.TFTP, 0.24),
    (Stage.KERNEL, 0.50),
    (Stage.ROOT, 0.68),
    (Stage.UP, 1.0),
)
HANGABLE = tuple(stage.value for stage, _ in BEGINS[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNow:
    """A node's stage, and how long it lasts (None: until the power changes)."""

    stage: Stage | None
    lasts_s: float | None = None


def stage_of(node: NodePlan, on_for_s: float | None) -> StageNow:
    """Tell the stage of a node whose power has been on for so long (None: it is off)."""
    if node.kind is NodeKind.EXTERNAL:
        return StageNow(stage=None)
    if on_for_s is None:
        return StageNow(stage=Stage.OFF)
    if node.kind is NodeKind.EMPTY:
        return StageNow(stage=Stage.POWERED)
    reached = BEGINS[0][0]
    for stage, part in BEGINS[1:]:
        if reached == node.hang_at:
            return StageNow(stage=reached)
        if on_for_s < part * node.boot_s:
            return StageNow(stage=reached, lasts_s=part * node.boot_s - on_for_s)
        reached = stage
    return StageNow(stage=reached)
