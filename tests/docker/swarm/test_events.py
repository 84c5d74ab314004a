"""Events are told as they come, over restarts of Docker, until somebody says stop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from grape_docker.model import Settings
from grape_docker.swarm.events import SwarmEvent
from grape_docker.swarm.manager import Manager
from tests.docker.fake_engine import Serving
from tests.docker.fake_swarm import FakeEngine

WAIT_S = 10.0


class Ear:
    """Listens in a thread."""

    def __init__(self, manager: Manager) -> None:
        self.stop = threading.Event()
        self.heard: queue.SimpleQueue[SwarmEvent] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._listen, args=(manager,), daemon=True)
        self.thread.start()

    def _listen(self, manager: Manager) -> None:
        for event in manager.events(self.stop):
            self.heard.put(event)

    def next(self) -> SwarmEvent:
        return self.heard.get(timeout=WAIT_S)


@pytest.fixture
def ear(served: Serving) -> Iterator[Ear]:
    one = Ear(Manager(Settings(), served.url, timeout_s=5))
    yield one
    one.stop.set()
    one.thread.join(WAIT_S)
    assert not one.thread.is_alive()


def test_what_happens_after_connected_is_told(ear: Ear, engine: FakeEngine) -> None:
    assert ear.next().kind == "connected"
    engine.tell("node", "update", "n1", name="worker-0-1", **{"state.new": "down"})
    event = ear.next()
    assert (event.kind, event.action, event.id) == ("node", "update", "n1")
    assert event.fields == {"name": "worker-0-1", "state.new": "down"}


def test_a_restart_is_told_once_and_then_connected_again(ear: Ear, served: Serving, engine: FakeEngine) -> None:
    assert ear.next().kind == "connected"
    served.stop()
    lost = ear.next()
    assert lost.kind == "lost"
    assert lost.error is not None
    served.start()
    assert ear.next().kind == "connected"
    engine.tell("service", "create", "s1")
    assert ear.next().id == "s1"


def test_stop_ends_a_wait_for_a_docker_that_is_not_there(served: Serving) -> None:
    served.stop()
    ear = Ear(Manager(Settings(), served.url, timeout_s=5))
    assert ear.next().kind == "lost"
    ear.stop.set()
    ear.thread.join(WAIT_S)
    assert not ear.thread.is_alive()
    assert ear.heard.empty()
