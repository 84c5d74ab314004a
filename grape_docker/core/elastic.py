"""Elastic mode: who is switched on because tasks wait, and who is switched off because it has been idle. Pure.

On: tasks wait, Docker has said that it finds no node for them, and no node is coming or idle that they fit on. The
least number of nodes that may serve them comes on; if that was too few, the next judgement brings more.
Off: no task for ``quiet_s`` (those of global services do not count), and nothing waits that would fit on it.
Within ``min_nodes``, ``max_nodes`` and the watts; what a person drained, what a job works on, and managers are let be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from grape_docker.core import drain, entries, memory, placing
from grape_docker.model import (
    Availability,
    Health,
    Known,
    NodeFact,
    Rack,
    Role,
    Settings,
    Swarm,
    SwarmNode,
    TaskFact,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elasticity:
    """Whom to switch on and off; since when who is idle (to be handed in again); when time alone changes this."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    why_on: str = ""
    short: str = ""  # why fewer come on than tasks want
    idle: Mapping[str, float] = field(default_factory=dict)
    wake: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """A node that elastic mode may switch."""

    node: NodeFact
    entry: SwarmNode | None
    seen: Mapping[str, str]
    failing: bool
    busy: bool

    @property
    def is_on(self) -> bool:
        """Whether it draws power, or is about to."""
        return not self.node.is_off or self.node.desired == "on"

    @property
    def is_in(self) -> bool:
        """Whether it takes tasks."""
        return (
            self.entry is not None
            and self.entry.state is Health.READY
            and self.entry.availability is Availability.ACTIVE
        )

    @property
    def is_coming(self) -> bool:
        """Whether it is on its way into the swarm, as far as anybody can tell."""
        taken = self.entry is not None and self.entry.availability is not Availability.ACTIVE
        going = self.node.desired == "off" or self.node.stage == "lost"
        return self.is_on and not (self.is_in or self.failing or self.node.late or taken or going)


def judge(
    rack: Rack,
    swarm: Swarm,
    tasks: Sequence[TaskFact],
    members: Collection[str],
    known: Known,
    idle: Mapping[str, float],
    settings: Settings,
    now: float,
) -> Elasticity:
    """Judge once. ``members``: whom ``elastic.nodes`` resolves to. ``idle``: as the last judgement gave it."""
    if not settings.elastic.active:
        return Elasticity()
    ours = _look(rack, swarm, tasks, members, known)
    waits = placing.waiting(tasks)
    on, why, short = _on(rack, swarm, ours, waits, settings)
    since = {
        one.node.name: min(idle.get(one.node.name, now), now)
        for one in ours
        if one.is_in and not one.busy and not any(placing.fits(task, one.seen) for task in waits)
    }
    off, wake = ((), None) if on else _off(ours, since, settings, now)
    return Elasticity(on=on, off=off, why_on=why, short=short, idle=since, wake=wake)


def _look(
    rack: Rack, swarm: Swarm, tasks: Sequence[TaskFact], members: Collection[str], known: Known
) -> tuple[_One, ...]:
    sorted_, _ = entries.sort(rack, swarm, dict(known))
    counts = drain.counts([task for task in tasks if not task.everywhere])
    held = {hold.name for hold in rack.holds}
    ours = []
    for node in rack.nodes:
        if node.name not in members or node.name in held or node.role is Role.MANAGER:
            continue
        entry, kept = sorted_[node.name].own, memory.of(known, node.name)
        ours.append(
            _One(
                node=node,
                entry=entry,
                seen=placing.as_worker(node, kept),
                failing=kept.retry.trouble is not None,
                busy=entry is not None and counts.get(entry.id, 0) > 0,
            )
        )
    return tuple(ours)


def _on(
    rack: Rack, swarm: Swarm, ours: Sequence[_One], waits: Sequence[TaskFact], settings: Settings
) -> tuple[tuple[str, ...], str, str]:
    """Choose whom to switch on: names, for what, and why not more."""
    limits = settings.elastic
    lit = sum(one.is_on for one in ours)
    off = [one for one in ours if not one.is_on and one.node.job is None]
    fitting = [one for one in off if any(placing.fits(task, one.seen) for task in waits)]
    some = [task for task in waits if any(placing.fits(task, one.seen) for one in ours)]
    free = [one for one in ours if one.is_coming or (one.is_in and not one.busy)]
    supply = sum(any(placing.fits(task, one.seen) for task in some) for one in free)
    wanted = max(0, placing.nodes_for(some, swarm.nodes) - supply)
    least = max(0, limits.min_nodes - lit)
    useful = fitting[: max(wanted, least)]
    candidates = [*useful, *[one for one in off if one not in fitting][: max(0, least - len(useful))]]
    chosen, short = _affordable(candidates, rack, limits.max_nodes - lit, limits.max_watts)
    if wanted > len(fitting) and not short:
        short = f"{wanted} more nodes wanted, {len(fitting)} left to switch on"
    why = f"{len(some)} tasks wait for a node" if wanted else f"min_nodes is {limits.min_nodes}"
    return tuple(one.node.name for one in chosen), why if chosen else "", short


def _affordable(candidates: Sequence[_One], rack: Rack, most: int, max_watts: float | None) -> tuple[list[_One], str]:
    """Take candidates in order while number, watts in all and watts of each stack allow it."""
    drawn = sum(node.watts for node in rack.nodes if not node.is_off or node.desired == "on")
    expected = {key: budget.expected for key, budget in rack.budgets.items()}
    chosen: list[_One] = []
    short = ""
    for one in candidates:
        node, budget = one.node, rack.budgets.get(one.node.stack)
        if len(chosen) >= most:
            return chosen, "max_nodes are on"
        if max_watts is not None and drawn + node.watts > max_watts:
            short = "max_watts would be exceeded"
        elif budget and budget.watts is not None and expected[node.stack] + node.watts > budget.watts:
            short = f"the budget of stack {node.stack} would be exceeded"
        else:
            chosen.append(one)
            drawn += node.watts
            expected[node.stack] = expected.get(node.stack, 0.0) + node.watts
    return chosen, short


def _off(
    ours: Sequence[_One], since: Mapping[str, float], settings: Settings, now: float
) -> tuple[tuple[str, ...], float | None]:
    """Choose whom to switch off, the longest idle first; and when the next is due."""
    limits = settings.elastic
    spare = sum(one.is_on and one.node.desired != "off" for one in ours) - limits.min_nodes
    idle = [one for one in ours if one.node.name in since and one.node.job is None and one.node.desired != "off"]
    idle.sort(key=lambda one: (since[one.node.name], one.node.stack, one.node.slot))
    idle = idle[: max(0, spare)]
    due = {one.node.name: since[one.node.name] + limits.quiet_s for one in idle}
    later = [at for at in due.values() if at > now]
    return tuple(name for name, at in due.items() if at <= now), min(later, default=None)
