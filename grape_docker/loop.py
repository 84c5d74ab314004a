"""The loop: what woke it, a look, a plan, work handed out. Everything that takes long is done in other threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from grape_docker import keeping, rack
from grape_docker.acting import Hands, trouble_of
from grape_docker.core import memory
from grape_docker.core.reconcile import reconcile
from grape_docker.draining import Drains
from grape_docker.guard import Guard
from grape_docker.handing import Crew
from grape_docker.identity import public_line
from grape_docker.inbox import Inbox, Message, RackTold, Stop, SwarmTold, WorkDone, WorkTold
from grape_docker.looking import RETRY_S, Eyes, Sight
from grape_docker.model import Plan, Trouble
from grape_docker.stretching import Stretch
from grape_docker.swarm.manager import Manager
from grape_docker.telling import Teller
from grape_docker.work import Workshop
from graped.api.client import Client
from graped.errors import AccessDenied, GrapeError, TimedOut, Unreachable
from graped.notify import Notifier

log = logging.getLogger("grape_docker")

TICK_S = 5.0  # the longest sleep: systemd's watchdog and the guard's lease need a sign of life
LEAST_S = 0.1  # the shortest sleep that is no wait for a message: whatever the reason, never a busy loop
SETTLED_S = 2.0  # --once: nothing came of what was done for so long
BUG_S = 5.0  # pause after a mistake of ours
JUMP_S = 60.0  # a wall clock that moved so far by itself has been set


class Loop:
    """One daemon. All but the inbox belongs to the thread that runs it."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        client: Client,
        manager: Manager,
        hands: Hands,
        workshop: Workshop,
        room: Path,
        key: Path,
        guard: Guard | None = None,
        notifier: Notifier | None = None,
        once: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._inbox = inbox
        self._client = client
        self._hands = hands
        self._crew = Crew(inbox, hands, workshop, monotonic, once=once)
        self._room = room
        self._key = key
        self._notifier = notifier or Notifier({})
        self._once = once
        self._monotonic = monotonic
        self._wall = wall
        self._eyes = Eyes(client, manager, monotonic)
        self._drains = Drains(guard, monotonic)
        self._stretch = Stretch(client, monotonic)
        self._teller = Teller(room, wall())
        self._known = keeping.load_known(room)
        self._saved = self._known
        self._registered = False
        self._stopping = False
        self._stated = ""
        self._deaf = False
        self._others: dict[str, Trouble] = {}  # of those that are no nodes: the master itself, while more is to be done
        self._offset = wall() - monotonic()

    # --- running ----------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until told to stop. With ``once``: until nothing is left that can be done now; 1 where that is not all.

        Raises with ``once``: what graped or Docker raised.
        """
        self._notifier.send("READY=1")
        until = self._monotonic()
        while True:
            for message in self._inbox.take(until):
                self._hear(message)
            if self._stopping:
                return 0
            try:
                until, quiet = self._turn()
            except Exception:
                if self._once:
                    raise
                log.exception("a mistake of grape_docker; it goes on in %g s", BUG_S)
                until, quiet = self._monotonic() + BUG_S, False
            if self._once and quiet:
                if self._monotonic() > self._crew.worked + SETTLED_S:
                    return 1 if self._teller.troubles else 0
                self._eyes.stale_swarm()  # e.g. labels, once an entry is ready
                until = min(until, self._monotonic() + RETRY_S / 4)
            self._notifier.alive()

    def close(self, timeout_s: float) -> None:
        """Let nodes go, give what is being done a moment to end, and keep what is known."""
        try:
            self._drains.close()
        except GrapeError as error:
            log.info("the guard stays until its lease is over: %s", error)
        self._crew.settle(timeout_s)
        for message in self._inbox.take(self._monotonic()):
            self._hear(message)
        self._save()
        self._eyes.close()

    def _hear(self, message: Message) -> None:
        match message:
            case Stop():
                self._stopping = True
            case RackTold():
                self._hear_graped(message)
            case SwarmTold():
                self._eyes.stale_swarm(found=message.kind not in ("connected", "lost"))
            case WorkTold():
                self._crew.told(message)
            case WorkDone():
                self._take(message)

    def _hear_graped(self, told: RackTold) -> None:
        match told.kind:
            case "lost":
                log.warning("graped is not heard any more: %s", told.message)
                self._deaf = True
                return
            case "connected" | "daemon.started":
                if self._deaf:
                    log.info("graped is heard again")
                    self._deaf = False
                self._registered = False
                self._drains.stale()
                self._eyes.stale_settings()
            case "config.reloaded":
                self._known = memory.forgive(self._known)
                self._eyes.stale_settings()
            case kind if kind.startswith("guard."):
                self._drains.stale()
        self._eyes.stale_rack()

    def _take(self, done: WorkDone) -> None:
        """Take the end of a node's work: what it told, what went wrong."""
        self._crew.took(done)
        self._drains.took(done)
        self._eyes.stale_swarm()
        self._remember(done)

    def _remember(self, done: WorkDone) -> None:
        """Keep what the end of a node's work says of it."""
        node, settings, now = self._eyes.node(done.name), self._eyes.last_settings, self._wall()
        if node is None:  # the master itself, or a node that is not configured any more
            self._others.pop(done.name, None)
            if done.trouble is not None:
                self._others[done.name] = done.trouble
        elif done.trouble is not None:
            self._known = memory.failed(self._known, node, done.trouble, settings, now, lasting=done.lasting)
        elif done.own_id is not None:
            self._known = memory.joined(self._known, node, done.own_id, now, done.registry)
        elif done.left:
            self._known = memory.left(self._known, done.name)

    # --- one turn ---------------------------------------------------------------------------------------

    def _turn(self) -> tuple[float, bool]:
        """Look, plan, hand out; return when to wake (monotonic s), and whether nothing is going on."""
        self._watch_clock()
        troubles = list(self._register())
        sight = self._eyes.look()
        self._drains.renew(self._eyes.guarded(self._crew.busy))
        if sight is not None:
            stamp = self._hands.registry_stamp(sight.settings)
            settings = replace(sight.settings, registry_stamp=stamp)
            sight = replace(sight, settings=settings, rack=replace(sight.rack, holds=self._drains.holds))
        plan, handed = Plan(), False
        if sight is not None:
            plan = reconcile(sight.rack, sight.swarm, self._known, sight.settings, self._wall())
            self._known = plan.known
            handed = self._crew.hand_out(plan.actions, sight)
            due = {action.name for action in plan.actions}
            self._others = {name: trouble for name, trouble in self._others.items() if name in due}
        handed |= self._attend(sight, troubles)
        if self._once and self._eyes.failures:
            raise next(iter(self._eyes.failures.values()))
        troubles += [trouble_of("", error, self._wall()) for error in self._eyes.failures.values()]
        self._tell(plan, [*troubles, *plan.troubles, *self._others.values()])
        return self._wake(plan), not handed and not self._crew.busy

    def _register(self) -> Iterable[Trouble]:
        """Have graped know our key: it is in every root that it makes."""
        if self._registered:
            return
        try:
            rack.register_key(self._client, public_line(self._key))
            self._registered = True
        except GrapeError as error:
            if not isinstance(error, (Unreachable, TimedOut, AccessDenied)):  # those are told by the look
                yield trouble_of("", error, self._wall())

    def _attend(self, sight: Sight | None, troubles: list[Trouble]) -> bool:
        """Do what depends on tasks: drain what is held, and elastic mode. Return whether anything was begun."""
        elastic = sight is not None and sight.settings.elastic.active and not self._once
        self._stretch.begin(active=elastic)
        if not self._drains.holds and not elastic:
            return False
        tasks = self._eyes.tasks() if sight is not None else None
        if sight is None or tasks is None:
            self._drains.blind(self._eyes.settings, "the master's Docker does not answer", self._wall())
            return False
        leaving = self._drains.attend(sight, tasks, self._known, self._wall(), self._crew.free)
        begun = self._crew.hand_out(leaving, sight)
        if elastic:
            switched, found = self._stretch.turn(sight, tasks, self._known, self._wall())
            troubles += found
            if switched:
                self._eyes.stale_rack()
                begun = True
        return begun

    def _tell(self, plan: Plan, troubles: Iterable[Trouble]) -> None:
        now = self._wall()
        self._teller.take(troubles, now)
        self._teller.write(
            swarm_id=self._eyes.swarm_id,
            working=self._crew.working,
            waiting=plan.waiting,
            holds=self._drains.holds,
            now=now,
        )
        told = len(self._teller.troubles)
        self._state(f"STATUS={self._eyes.members} nodes in the swarm" + (f", {told} troubles" if told else ""))
        self._save()

    def _state(self, line: str) -> None:
        """Tell systemd how we are, where that is new."""
        if line != self._stated:
            self._stated = line
            self._notifier.send(line)

    def _save(self) -> None:
        if self._known == self._saved:
            return
        try:
            keeping.save_known(self._room, self._known)
            self._saved = self._known
        except OSError as error:
            log.warning("what is known of nodes is not kept: %s", error)

    def _wake(self, plan: Plan) -> float:
        now = self._monotonic()
        times = [now + TICK_S, self._eyes.next_at, self._drains.next_at, self._stretch.next_at, self._crew.next_at]
        if not self._registered:
            times.append(now + RETRY_S)
        if plan.wake is not None:
            times.append(now + plan.wake - self._wall())
        return max(min(times), now + LEAST_S)

    def _watch_clock(self) -> None:
        """Where the wall clock was set, waiting for a moment of the old time makes no sense."""
        offset = self._wall() - self._monotonic()
        if abs(offset - self._offset) > JUMP_S:
            log.info("the clock was set by %+.0f s", offset - self._offset)
            self._known = memory.forgive(self._known)
            self._eyes.stale_rack()
        self._offset = offset
