"""Docker's own events of the swarm: an entry or a service came, changed, went."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from docker.errors import DockerException
from docker.types import CancellableStream

from grape_docker.swarm.engine import Engine
from graped.errors import GrapeError

RETRY_S = 0.2
RETRY_MAX_S = 5.0
KINDS = ("node", "service")  # tasks have no events: who waits for one looks


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmEvent:
    """Something happened to the swarm; look again.

    ``kind``: ``node``, ``service``; ``connected`` (whatever happened before is not told: look at everything), ``lost``
    (``error`` says why; told once, until the next ``connected``). ``fields``: e.g. name, state.new, availability.new.
    """

    kind: str
    action: str = ""
    id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    error: GrapeError | None = None


def listen(engine: Engine, stop: threading.Event) -> Iterator[SwarmEvent]:
    """Tell events until ``stop`` is set, within a second of it; connect again with growing pauses for ever.

    ``connected`` comes when the subscription stands, so that a look after it misses nothing.
    """
    pause_s, told = RETRY_S, False
    while not stop.is_set():
        try:
            for event in _once(engine, stop):
                pause_s, told = RETRY_S, False
                yield event
            error = GrapeError("Docker's event stream ended")
        except (DockerException, requests.RequestException, OSError) as failed:
            error = engine.told("listening to Docker's events", failed)
        if stop.is_set():
            return
        if not told:
            yield SwarmEvent(kind="lost", error=error)
            told = True
        stop.wait(pause_s)
        pause_s = min(pause_s * 2, RETRY_MAX_S)


def _once(engine: Engine, stop: threading.Event) -> Iterator[SwarmEvent]:
    """Tell the events of one connection; a second thread closes it when it is to stop."""
    client = engine.client()
    stream: CancellableStream[dict[str, Any]] = client.events(decode=True, filters={"type": list(KINDS)})
    ended = threading.Event()
    closer = threading.Thread(target=_close_at, args=(stream, stop, ended), name="docker-events-stop", daemon=True)
    closer.start()
    try:
        yield SwarmEvent(kind="connected")
        for raw in stream:
            yield read_event(raw)
    finally:
        ended.set()
        closer.join()
        _close(stream)


def _close_at(stream: CancellableStream[dict[str, Any]], stop: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(0.25):
        if stop.is_set():
            _close(stream)
            return


def _close(stream: CancellableStream[dict[str, Any]]) -> None:
    try:
        stream.close()
    except (OSError, AttributeError):
        pass  # the connection went by itself


def read_event(raw: Mapping[str, Any]) -> SwarmEvent:
    """Read one event of GET /events (pure)."""
    actor: Mapping[str, Any] = raw.get("Actor") or {}
    return SwarmEvent(
        kind=raw.get("Type") or "",
        action=raw.get("Action") or "",
        id=actor.get("ID") or "",
        fields=dict(actor.get("Attributes") or {}),
    )
