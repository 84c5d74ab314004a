"""When a node that failed is tried again: after ``retry_s``, then twice as long each time, up to ``retry_max_s``.

A node has one attempt in its back-off, whatever else happens, until what it failed by may be gone:

| what changed since                         | how it is known                            |
|--------------------------------------------|--------------------------------------------|
| its power came on again                    | ``power_since`` is later than the failure  |
| its address, its trust, its role           | ``circumstances`` differ                   |
| configuration, keys, a person asks         | the daemon calls ``memory.forgive``        |
"""

from __future__ import annotations

from typing import Final

from grape_docker.model import NodeFact, Retry, Settings, Trouble

_MOST_DOUBLINGS: Final = 30  # far beyond retry_max_s; keeps the number small


def circumstances(node: NodeFact) -> str:
    """What may have made it fail, as far as graped tells it."""
    return f"{node.address} {node.trusted} {node.role}"


def standing(retry: Retry, node: NodeFact) -> Retry:
    """Forget the failures of a node whose circumstances are others now."""
    came_on = node.power == "on" and node.power_since is not None and node.power_since > retry.failed_at
    return Retry() if came_on or retry.circumstances != circumstances(node) else retry


def failed(retry: Retry, node: NodeFact, trouble: Trouble, settings: Settings, now: float, *, lasting: bool) -> Retry:
    """Count one more failure; one that will last by its nature (``lasting``) waits the longest time at once."""
    before = standing(retry, node)
    delay_s = settings.retry_s * 2 ** min(before.failures, _MOST_DOUBLINGS)
    same = before.trouble if before.trouble is not None and before.trouble.code == trouble.code else trouble
    return Retry(
        failures=before.failures + 1,
        failed_at=now,
        next_at=now + (settings.retry_max_s if lasting else min(delay_s, settings.retry_max_s)),
        circumstances=circumstances(node),
        trouble=Trouble(
            name=node.name, code=trouble.code, message=trouble.message, hint=trouble.hint, since=same.since
        ),
    )


def may_try(retry: Retry, now: float) -> bool:
    """Whether an attempt is due."""
    return now >= retry.next_at
