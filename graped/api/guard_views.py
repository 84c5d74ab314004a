"""What the contract says of lifecycle guards."""

from __future__ import annotations

from graped.api import types
from graped.api.folding import fold
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.core.state import Guard, State
from graped.model import Verb


def guards(state: State, clock: Clock) -> tuple[types.Guard, ...]:
    """All guards by name."""
    return tuple(guard(state, clock, state.guards[name]) for name in sorted(state.guards))


def guard(state: State, clock: Clock, one: Guard) -> types.Guard:
    """One guard, and what it holds."""
    names = tuple(state.config.node_name(slot) for slot in sorted(one.slots))
    return types.Guard(
        name=one.name,
        nodes=names,
        folded=fold(names),
        lease_s=one.lease_s,
        until=rfc3339(clock.wall_of(one.until)),
        holding=_holding(state, clock, one),
    )


def _holding(state: State, clock: Clock, one: Guard) -> tuple[types.GuardHold, ...]:
    tasks = [(state.jobs[job], state.jobs[job].tasks[slot]) for slot, job in sorted(state.claims.items())]
    return tuple(
        types.GuardHold(
            node=state.config.node_name(task.slot),
            job=job.id,
            verb="cycle" if job.verb is Verb.CYCLE else "off",
            since=rfc3339(clock.wall_of(hold.since)),
            deadline=rfc3339(clock.wall_of(task.until or hold.since)),
            note=hold.note,
        )
        for job, task in tasks
        for hold in task.holds
        if hold.guard == one.name and not hold.over
    )
