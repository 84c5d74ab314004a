"""Whether the master takes tasks: the one thing that is ever changed of its own entry. Pure."""

from __future__ import annotations

from grape_docker.model import (
    DRAINED,
    DRAINED_CONFIG,
    Action,
    Availability,
    SetAvailability,
    SetLabels,
    Settings,
    Swarm,
)


def actions(swarm: Swarm, settings: Settings) -> tuple[Action, ...]:
    """Drain the master by ``master_tasks = false``, and take that back; what people did to it is left alone."""
    own = next((one for one in swarm.nodes if one.id == swarm.self_id), None)
    if own is None:
        return ()
    marked = own.labels.get(DRAINED) == DRAINED_CONFIG
    wanted = Availability.ACTIVE if settings.master_tasks else Availability.DRAIN
    why = f"docker.master_tasks = {str(settings.master_tasks).lower()}"
    move = SetAvailability(name=own.hostname, node_id=own.id, availability=wanted, why=why)
    mark = SetLabels(
        name=own.hostname, node_id=own.id, labels={DRAINED: None if settings.master_tasks else DRAINED_CONFIG}
    )
    if settings.master_tasks:
        return () if not marked else (mark,) if own.availability is wanted else (move, mark)
    if own.availability is wanted:
        return ()
    return (move,) if marked else (mark, move)
