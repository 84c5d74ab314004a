"""One random step at a time: what people, noise and accidents do to a rack and its graped."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from graped.errors import Conflict, NotFound
from graped.hardware.sim.faults import FaultKind, SimFault
from tests.campaign.board import PLACES, SLOTS, name_of, slot_of
from tests.campaign.evidence import FORGOTTEN, Command, Outage, Stuck
from tests.campaign.rig import Rig, moment
from tests.campaign.truth import Said
from tests.campaign.wire import Slot

STACKS = tuple(PLACES.values())
MOST_FLIPS = 0.2


class Steps:
    """Does steps and remembers what it asked and heard."""

    def __init__(self, rig: Rig, dice: Random) -> None:
        self.rig = rig
        self.dice = dice
        self.commands: dict[int, Command] = {}
        self.cancelled: set[int] = set()
        self.outages: list[Outage] = []
        self.pins: list[Stuck] = []
        self.touched: dict[Slot, float] = {}  # until when a slot may have changed by itself
        self.said: list[Said] = []
        self.counts: Counter[str] = Counter()
        self._bystanders: frozenset[Slot] = frozenset()
        self._open: list[int] = []
        self._noise: dict[FaultKind, int] = {}  # at most one of a kind, so that shares do not add up
        self._any: tuple[tuple[Callable[[], object], int], ...] = (
            (self.power, 36), (self.glance, 30), (self.cancel, 4), (self.plan, 2), (self.reload, 1), (self.breathe, 3),
        )  # fmt: skip
        self._nature: tuple[tuple[Callable[[], object], int], ...] = (
            (self.noise, 12), (self.peace, 5), (self.hang, 2), (self.brown_out, 1), (self.absence, 1), (self.stuck, 1),
        )  # fmt: skip

    def new_phase(self) -> None:
        """Choose slots that nobody asks anything of for a while."""
        self._bystanders = frozenset(self.dice.sample(SLOTS, self.dice.randrange(4, 14)))
        self._open.clear()

    def step(self) -> None:
        """Do any step; those that need graped only while it runs."""
        steps = (self._any if self.rig.runs else ()) + self._nature
        chosen = self.dice.choices([one for one, _ in steps], [weight for _, weight in steps])[0]
        self.counts[f"step: {chosen.__name__}"] += 1
        chosen()
        if self.dice.random() < 0.3:
            time.sleep(self.dice.uniform(0, 0.01))

    # --- people -------------------------------------------------------------------------------------------

    def power(self) -> None:
        """Ask for power of some slots that are nobody's bystanders."""
        free = [slot for slot in SLOTS if slot not in self._bystanders]
        if self.dice.random() < 0.15:
            stack = self.dice.choice(STACKS)
            slots = [slot for slot in free if slot[0] == stack] or free[:1]
        else:
            slots = self.dice.sample(free, self.dice.randint(1, min(5, len(free))))
        verb = self.dice.choices(("on", "off", "cycle"), (6, 3, 2))[0]
        body: dict[str, Any] = {"nodes": [name_of(slot) for slot in slots], "verb": verb}
        body["force"] = self.dice.random() < 0.3
        if verb == "cycle":
            body["off_s"] = self.dice.uniform(0, 0.1)
        asked = time.time()
        job = self.rig.client.post("/v1/power", body)
        now = time.time()
        number = job["id"]
        assert number not in self.commands, f"job id {number} was given twice"
        self.commands[number] = Command(id=number, verb=verb, slots=frozenset(slots), asked=asked, accepted=now)
        self._supersede(number, now)
        self._open.append(number)

    def _supersede(self, number: int, now: float) -> None:
        for older in self._open[-60:]:
            for slot in self.commands[older].slots & self.commands[number].slots:
                self.commands[older].until.setdefault(slot, now)

    def breathe(self) -> None:
        """Let things happen for a moment."""
        time.sleep(self.dice.uniform(0, 0.15))

    def cancel(self) -> None:
        """Cancel one of the last jobs, ended or not."""
        if not self._open:
            return
        number = self.dice.choice(self._open[-8:])
        try:
            self.rig.client.post(f"/v1/jobs/{number}/cancel")
        except Conflict:
            return
        now = time.time()
        self.cancelled.add(number)
        for slot in self.commands[number].slots:
            self.commands[number].until.setdefault(slot, now)

    def glance(self) -> None:
        """Look at the whole cluster, or at some nodes."""
        if self.dice.random() < 0.3:
            self.listen(lambda: self.rig.client.get("/v1/status")["nodes"])
        else:
            names = ",".join(name_of(slot) for slot in self.dice.sample(SLOTS, 6))
            self.listen(lambda: self.rig.client.get("/v1/nodes", nodes=names))

    def listen(self, ask: Callable[[], list[dict[str, Any]]]) -> list[Said]:
        """Remember what an answer says of slots."""
        asked = time.time()
        nodes = ask()
        answered = time.time()
        said = [
            Said(
                asked=asked,
                answered=answered,
                slot=slot_of(node["name"]),
                observed=node["power"]["observed"],
                read_at=moment(node["power"]["read_at"]) if node["power"]["read_at"] else None,
            )
            for node in nodes
        ]
        self.said += said
        return said

    def plan(self) -> None:
        """Ask what a command would do; nothing may come of it."""
        stack = self.dice.choice(STACKS)
        verb = self.dice.choice(("on", "off", "cycle"))
        self.rig.client.post("/v1/power/plan", {"nodes": f"@stack:{stack}", "verb": verb})

    def reload(self) -> None:
        """Change the policy of outages and have the configuration read again."""
        self.rig.configure(self.dice.choices(("adopt", "restore", "on"), (6, 2, 1))[0])
        self.rig.hang_up()

    # --- nature -------------------------------------------------------------------------------------------

    def _somewhere(self) -> dict[str, int]:
        """A bus, a stack, or everything."""
        where = self.dice.randrange(3)
        return ({"bus": self.dice.randrange(2)}, {"stack": self.dice.choice(STACKS)}, {})[where]

    def _arm(self, **fields: Any) -> SimFault:
        return self.rig.rack.add_fault(SimFault(**fields))

    def noise(self) -> None:
        """Flip bits, lose acknowledges, let transactions time out: for a while, or until somebody clears it."""
        kind = self.dice.choices((FaultKind.FLIP, FaultKind.NACK, FaultKind.TIMEOUT), (6, 3, 1))[0]
        most = {FaultKind.FLIP: MOST_FLIPS, FaultKind.NACK: 0.3, FaultKind.TIMEOUT: 0.05}[kind]
        for_s = self.dice.uniform(0.02, 0.4) if kind is FaultKind.TIMEOUT else self.dice.uniform(0.1, 2.0)
        with contextlib.suppress(NotFound):
            self.rig.rack.clear_faults(self._noise.get(kind, -1))
        armed = self._arm(kind=kind, probability=self.dice.uniform(0.01, most), for_s=for_s, **self._somewhere())
        self._noise[kind] = armed.id

    def peace(self) -> None:
        """End all faults."""
        self.rig.rack.clear_faults()

    def hang(self) -> None:
        """Hang a bus."""
        self._arm(kind=FaultKind.HANG, bus=self.dice.randrange(2), for_s=self.dice.uniform(0.02, 0.3))

    def absence(self) -> None:
        """Pull a stack's plug out of the bus for a moment; its slots stay as they are."""
        self._arm(kind=FaultKind.MISSING, stack=self.dice.choice(STACKS), for_s=self.dice.uniform(0.05, 0.4))

    def stuck(self) -> None:
        """Hold a pin."""
        stack, for_s, now = self.dice.choice(STACKS), self.dice.uniform(0.05, 0.3), time.time()
        self._touch(stack, now + for_s + 0.5)
        self._arm(kind=FaultKind.STUCK, stack=stack, for_s=for_s)
        self.pins.append(Stuck(since=now, until=now + for_s + 0.5, stack=stack))  # the rack's ticks let go of it

    def brown_out(self, stack: int | None = None) -> None:
        """Let a stack lose its power, and perhaps stay away for a while."""
        stack = self.dice.choice(STACKS) if stack is None else stack
        port = self.rig.ports()[stack]
        for_s = self.dice.uniform(0.01, 0.3) if self.dice.random() < 0.5 else None
        began = time.time()
        self._touch(stack, began)
        self._arm(kind=FaultKind.BROWNOUT, stack=stack, for_s=for_s)
        self.outages.append(Outage(t=began, stack=stack, port=port))

    def _touch(self, stack: int, until: float) -> None:
        for slot in range(6):
            self.touched[(stack, slot)] = max(until, self.touched.get((stack, slot), 0.0))

    # --- afterwards ---------------------------------------------------------------------------------------

    def harvest(self) -> None:
        """Learn what became of every job since the last harvest. No job is open now."""
        waiting = {number for number, one in self.commands.items() if not one.outcome}
        before: int | None = None
        while True:
            page = self.rig.client.get("/v1/jobs", limit=500, before=before)
            for job in page:
                self._settle(job)
                waiting.discard(job["id"])
            if not page or not waiting or page[-1]["id"] < min(waiting):
                break
            before = page[-1]["id"]
        for number in waiting:
            self.commands[number].outcome = FORGOTTEN

    def _settle(self, job: dict[str, Any]) -> None:
        command = self.commands.get(job["id"])
        if command is None:
            asked = moment(job["asked"]) - 0.01
            slots = frozenset(slot_of(task["name"]) for task in job["tasks"])
            command = Command(id=job["id"], verb=job["verb"], slots=slots, asked=asked, by=job["by"])
            self.commands[command.id] = command
        if command.outcome:
            return
        command.outcome = job["outcome"]
        command.ended = moment(job["ended"]) if job["ended"] else None
        command.results = {slot_of(task["name"]): task["result"] for task in job["tasks"]}
