"""What is remembered of nodes: how it changes by what the daemon did, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from grape_docker.core import backoff
from grape_docker.model import Availability, Known, Memory, NodeFact, Retry, Settings, Trouble


def of(known: Known, name: str) -> Memory:
    """What is remembered of a node; nothing is a value too."""
    return known.get(name, Memory())


def joined(known: Known, node: NodeFact, node_id: str, now: float, registry: str | None = None) -> Known:
    """Remember that a node is in the swarm as ``node_id``: it said so itself; and what it knows of the registry."""
    before = of(known, node.name)
    told = before.registry if registry is None else registry
    after = replace(before, own_id=node_id, joined_at=now, address=node.address, registry=told, retry=Retry())
    return {**known, node.name: after}


def left(known: Known, name: str) -> Known:
    """Remember that a node is in no swarm any more; what people set on it is kept."""
    return {**known, name: replace(of(known, name), own_id=None, joined_at=0.0, address=None)}


def failed(
    known: Known, node: NodeFact, trouble: Trouble, settings: Settings, now: float, *, lasting: bool = False
) -> Known:
    """Remember that an action for a node failed, and when it may be tried again."""
    before = of(known, node.name)
    retry = backoff.failed(before.retry, node, trouble, settings, now, lasting=lasting)
    return {**known, node.name: replace(before, retry=retry)}


def forgive(known: Known, names: Iterable[str] | None = None) -> Known:
    """Let these nodes (None: all) be tried at once: what they failed by may be gone."""
    chosen = set(known if names is None else names)
    return {name: replace(one, retry=Retry()) if name in chosen else one for name, one in known.items()}


def asked(known: Known, name: str, availability: Availability) -> Known:
    """Remember the availability that a person asked for (``grape_docker drain``, ``activate``)."""
    return {**known, name: replace(of(known, name), availability=availability)}


def dump(known: Known) -> dict[str, Any]:
    """As JSON values."""
    return {name: asdict(one) for name, one in known.items()}


def load(read: Mapping[str, Any]) -> Known:
    """From JSON values; what another version wrote and nobody understands is forgotten, node by node."""
    known = {}
    for name, one in read.items():
        try:
            known[name] = _memory(one)
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
    return known


def _memory(read: Mapping[str, Any]) -> Memory:
    retry = dict(read.get("retry", {}))
    trouble = retry.get("trouble")
    return Memory(
        own_id=read.get("own_id"),
        joined_at=float(read.get("joined_at", 0.0)),
        address=read.get("address"),
        registry=str(read.get("registry", "")),
        settled_id=read.get("settled_id"),
        labels={str(key): str(value) for key, value in read.get("labels", {}).items()},
        availability=Availability(read.get("availability", "active")),
        retry=Retry(**{**retry, "trouble": None if trouble is None else Trouble(**trouble)}),
    )
