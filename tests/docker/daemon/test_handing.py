"""Who is worked on when, and what is heard after a gap: with a clock and a graped that are made up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from grape_docker import listening
from grape_docker.acting import Situation
from grape_docker.handing import PAUSE_S, Crew
from grape_docker.inbox import Inbox, Message, RackTold, WorkDone
from grape_docker.looking import Sight
from grape_docker.model import Action, Join, Rack, Settings, Swarm, Trouble
from grape_docker.work import Workshop
from graped.errors import Unreachable

SIGHT = Sight(settings=Settings(), rack=Rack(), swarm=Swarm(id="s", self_id="m"))


class _Hands:
    """Does nothing, and says that it went as told."""

    def __init__(self) -> None:
        self.fails: set[str] = set()
        self.done: list[str] = []

    def work(self, name: str, actions: Iterable[Action], _now: Situation, _tell: Any) -> WorkDone:
        self.done.append(name)
        trouble = Trouble(name=name, code="ssh_timeout", message="silent") if name in self.fails else None
        return WorkDone(name=name, trouble=trouble)


class _Crew:
    def __init__(self, *, once: bool = False) -> None:
        self.now = 100.0
        self.inbox, self.hands = Inbox(), _Hands()
        shop = Workshop(self.inbox)
        self.crew = Crew(self.inbox, self.hands, shop, lambda: self.now, once=once)  # type: ignore[arg-type]

    def run(self, *names: str) -> bool:
        """Hand out a join for each, and take the ends."""
        begun = self.crew.hand_out([Join(name=name, why="up") for name in names], SIGHT)
        while self.crew.busy:
            for message in self.inbox.take(time.monotonic() + 5):
                assert isinstance(message, WorkDone)
                self.crew.took(message)
        return begun


def test_who_failed_is_not_begun_again_at_once_and_delays_nobody() -> None:
    it = _Crew()
    it.hands.fails = {"a"}
    assert it.run("a", "b")
    assert it.crew.next_at == it.now + PAUSE_S
    assert not it.crew.free("a")
    assert it.run("a", "b"), "b alone"
    assert sorted(it.hands.done) == ["a", "b", "b"]
    it.now += PAUSE_S
    it.hands.fails = set()
    assert it.run("a")
    assert it.crew.next_at == float("inf")


def test_once_is_one_attempt_a_node() -> None:
    it = _Crew(once=True)
    it.hands.fails = {"a"}
    assert it.run("a")
    it.now += 1000
    assert not it.run("a")


class _Graped:
    """Its log, and which streams it gives before it is gone; as ``Client`` has them."""

    def __init__(self, newest: list[int], streams: list[list[int]], stop: threading.Event) -> None:
        self.newest, self.streams, self.stop = newest, streams, stop
        self.resumed: list[int] = []

    def get(self, _path: str, **_query: object) -> list[dict[str, int]]:
        return [{"id": self.newest.pop(0) if len(self.newest) > 1 else self.newest[0]}]

    def stream(self, _path: str, last: int, **_options: object) -> Iterator[dict[str, Any]]:
        self.resumed.append(last)
        for number in self.streams.pop(0):
            yield {"id": number, "kind": f"k{number}"}
        if not self.streams:
            self.stop.set()
        raise Unreachable("gone")


def _heard(newest: list[int], streams: list[list[int]], monkeypatch: Any) -> tuple[list[int], list[Message]]:
    monkeypatch.setattr(listening, "RETRY_S", 0.001)
    stop, inbox = threading.Event(), Inbox()
    graped = _Graped(newest, streams, stop)
    listening.follow_graped(inbox, graped, stop)  # type: ignore[arg-type]
    return graped.resumed, list(inbox.take(time.monotonic()))


def test_it_goes_on_behind_the_last_event_it_heard(monkeypatch: Any) -> None:
    resumed, told = _heard([5, 9], [[6, 7], [8, 9]], monkeypatch)
    assert resumed == [5, 7], "8 and 9 came while it was deaf"
    kinds = [one.kind for one in told if isinstance(one, RackTold)]
    assert kinds == ["connected", "k6", "k7", "lost", "connected", "k8", "k9", "lost"]


def test_another_event_log_is_heard_from_its_end(monkeypatch: Any) -> None:
    resumed, _ = _heard([50, 3], [[51], [4]], monkeypatch)
    assert resumed == [50, 3], "ids began anew: the database was lost"
