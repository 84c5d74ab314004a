"""What the contract says of rollouts. Pure."""

from __future__ import annotations

from graped.api import rollout_types as types
from graped.api.folding import fold
from graped.api.times import rfc3339
from graped.core.rollout_types import TOGETHER, Node, Rollout, Status
from graped.core.state import State
from graped.model import SlotId


def view(rollout: Rollout, state: State, *, driven: bool) -> types.Rollout:
    """Show a rollout; one that nobody drives any more was interrupted."""
    orders = rollout.orders
    lost = rollout.status is Status.RUNNING and not driven
    status = Status.INTERRUPTED if lost else rollout.status
    return types.Rollout(
        id=rollout.id,
        kind="image.rollout" if orders.image else "node.reboot",
        image=orders.image or None,
        status=status.value,
        reason=rollout.reason,
        by=rollout.by,
        asked=rfc3339(rollout.asked),
        ended=None if rollout.ended is None else rfc3339(rollout.ended),
        job=rollout.jobs[-1] if rollout.jobs else rollout.id,
        waves=rollout.waves,
        wave=rollout.wave + 1,
        canary=orders.canary,
        size=orders.wave,
        failures=orders.failures,
        health=orders.health,
        health_s=orders.health_s,
        when_off=orders.when_off.value,
        folded=fold([name_of(state, node.slot) for node in rollout.nodes]),
        nodes=tuple(_node(rollout, node, state) for node in rollout.nodes),
    )


def name_of(state: State, slot: SlotId) -> str:
    """Name a slot, also one that no file has any more."""
    return state.config.node_name(slot) if slot in state.slots else slot.default_name


def _node(rollout: Rollout, node: Node, state: State) -> types.RolloutNode:
    now = state.slots.get(node.slot)
    return types.RolloutNode(
        name=name_of(state, node.slot),
        wave=node.wave + 1,
        step=node.step.value,
        reason=_waits_for(node, state) or node.reason,
        root=None if not rollout.orders.image else "new" if node.moved else "former",
        stage=now.stage.value if now and now.stage else None,
    )


def _waits_for(node: Node, state: State) -> str:
    """Say what its power job waits for: guards, soft-off, the queue."""
    if node.step not in TOGETHER or node.slot not in state.claims:
        return ""
    task = state.jobs[state.claims[node.slot]].tasks[node.slot]
    return task.reason or task.step.value
