"""Which tasks wait for a node, and which nodes they would run on: Docker's placement, as far as it is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from grape_docker.core import labels
from grape_docker.model import Health, Memory, NodeFact, SwarmNode, TaskFact

_CONSTRAINT: Final = re.compile(r"\s*([\w.\-/]+)\s*(==|!=)\s*(.*?)\s*\Z")


def waiting(tasks: Sequence[TaskFact]) -> tuple[TaskFact, ...]:
    """Tasks that should run, and for which Docker finds no node: it has said why."""
    return tuple(
        one
        for one in tasks
        if one.state == "pending" and one.desired in ("running", "ready") and one.error and not one.everywhere
    )


def as_worker(node: NodeFact, memory: Memory) -> Mapping[str, str]:
    """What constraints would see of a node if it were in the swarm; what nobody knows is left out."""
    seen = {"node.hostname": node.name, "node.role": node.role.value}
    told = {**memory.labels, **{key: value for key, value in labels.ours(node).items() if value is not None}}
    return {**seen, **{f"node.labels.{key}": value for key, value in told.items()}}


def fits(task: TaskFact, seen: Mapping[str, str]) -> bool:
    """Whether a node may satisfy a task's constraints; platform and engine labels are not known: they may fit."""
    return all(_holds(one, seen) for one in task.constraints)


def _holds(constraint: str, seen: Mapping[str, str]) -> bool:
    read = _CONSTRAINT.match(constraint)
    if read is None:
        return True
    key, operator, value = read.groups()
    if key == "node.id":  # an id names one node that is in the swarm already
        return operator == "!="
    if key not in seen and not key.startswith("node.labels."):
        return True
    return (seen.get(key, "").lower() == value.lower()) is (operator == "==")


def nodes_for(tasks: Sequence[TaskFact], known_nodes: Sequence[SwarmNode]) -> int:
    """How many more nodes these waiting tasks are worth: never more than one each, and as few as can be told.

    By tasks a node may have of a service; by what they reserve, measured on the biggest worker there is; else one.
    """
    by_service: dict[str, list[TaskFact]] = {}
    for task in tasks:
        by_service.setdefault(task.service, []).append(task)
    return max((_for_service(one, known_nodes) for one in by_service.values()), default=0)


def _for_service(tasks: Sequence[TaskFact], known_nodes: Sequence[SwarmNode]) -> int:
    first, count = tasks[0], len(tasks)
    wanted = [1]
    if first.max_per_node:
        wanted.append(ceil(count / first.max_per_node))
    ready = [one for one in known_nodes if one.state is Health.READY]
    if biggest := max((one.nano_cpus for one in ready), default=0):
        wanted.append(ceil(count * first.nano_cpus / biggest))
    if biggest := max((one.memory_bytes for one in ready), default=0):
        wanted.append(ceil(count * first.memory_bytes / biggest))
    return min(count, max(wanted))
