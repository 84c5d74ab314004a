"""The campaign: thousands of random steps, dozens of kills, and a verdict over every byte and every answer."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from graped.hardware.sim.faults import FaultKind
from tests.campaign.board import INRUSH_S, MAX_INRUSH, PLACES, SLOTS, STAGGER_S, config, name_of
from tests.campaign.evidence import Command, Evidence, Verdict, Violation
from tests.campaign.judge import ByteJudge
from tests.campaign.rig import EventWatch, PinWatch, Rig, TraceTail
from tests.campaign.steps import STACKS, Steps
from tests.campaign.truth import (
    Reads,
    Said,
    judge_answers,
    judge_calm,
    judge_crashes,
    judge_jobs,
    judge_outages,
    judge_policies,
)
from tests.campaign.wire import ALL_OFF, Line, Slot, is_on, lines_of

CALM_S = 20.0  # within so long after the last fault every open job is fulfilled
AROUND = 12  # lines of the same port that are shown around a violation
NODES = "scale = 0.01\n"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a campaign came to."""

    seed: int
    steps: int
    kills: int
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)  # the trace around the first violations

    def summary(self) -> str:
        """Give seed and counts in one line."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return (
            f"campaign: seed {self.seed}, {self.steps} steps, {self.kills} kills, {self.seconds:.0f} s, "
            f"{len(self.violations)} violations; {counts}"
        )


class Campaign:
    """One run in a room of its own."""

    def __init__(self, room: Path, *, steps: int, kills: int, seed: int) -> None:
        self.outcome = Outcome(seed=seed, steps=steps, kills=0)
        self._dice = Random(seed)
        self._kills = kills
        self._rig = Rig(room, config(), nodes=NODES + f"seed = {seed % 1_000_000}\n")
        self._steps = Steps(self._rig, self._dice)
        self._verdict = Verdict()

    def run(self) -> Outcome:
        """Do all steps and judge them."""
        began = time.monotonic()
        try:
            self._rig.start()
            self._pins = PinWatch(self._rig.state)
            self._events = EventWatch(self._rig.socket)
            self._live()
            self._calm()
            self._rig.end(signal.SIGTERM)
            self._pins.close()
            self._judge()
        finally:
            self._rig.close()
        self.outcome.seconds = time.monotonic() - began
        self.outcome.counts.update(self._steps.counts)
        return self.outcome

    # --- life ---------------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Split the steps into phases; each but the last ends with a kill."""
        dice, phases = self._dice, self._kills + 1
        cuts = sorted(dice.randrange(self.outcome.steps) for _ in range(phases - 1))
        for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, self.outcome.steps], strict=True)):
            self._steps.new_phase()
            for _ in range(last - first):
                self._steps.step()
                if dice.random() < 0.001:
                    self._restart()
            if number < self._kills:
                if number % 3 == 2:
                    self._calm()
                self._kill()
                self._return()

    def _kill(self) -> None:
        """Kill graped: at any moment, or just when a byte has gone out, perhaps changed on its way."""
        self.outcome.kills += 1
        if self._dice.random() < 0.3:
            self._rig.end(signal.SIGKILL)
            return
        flips = self._dice.random() < 0.6
        tail = TraceTail(self._rig.trace)
        if flips:
            self._rig.rack.clear_faults()
            self._steps._arm(kind=FaultKind.FLIP, op="send_byte", count=1, for_s=0.5)
        self._steps.power()
        if tail.wait_for('"op":"send_byte"', 0.3):
            self.outcome.counts["kills just after a byte"] += 1
            time.sleep(self._dice.choice((0.0, 0.0, 0.0005, 0.002)))
        self._rig.end(signal.SIGKILL)
        tail.close()

    def _restart(self) -> None:
        self.outcome.counts["clean restarts"] += 1
        self._rig.end(signal.SIGTERM)
        self._return()

    def _return(self) -> None:
        """Start graped again; nature does not wait for it."""
        self._rig.spawn()
        self._rig.wait()

    def _calm(self) -> None:
        """End all faults and wait until nothing is open: every answer is the truth then, and every job fulfilled."""
        self._rig.rack.clear_faults()
        self._settle()
        self.outcome.counts["calms"] += 1
        self._steps.harvest()
        said, truth = self._look()
        mine = [one for one in self._steps.commands.values() if one.asked > self._rig.born]
        self._verdict.add(judge_calm(truth, said, mine, self._touched(mine), time.time()))
        self._outage_in_a_calm()

    def _settle(self) -> None:
        """Wait until every stack was read anew, and no job is open."""
        client, began = self._rig.client, time.time()
        first_of = ",".join(name_of((stack, 0)) for stack in STACKS)
        while True:
            open_jobs = client.get("/v1/jobs", open=True)
            nodes = self._steps.listen(lambda: client.get("/v1/nodes", nodes=first_of))
            fresh = all(one.read_at is not None and one.read_at > began and one.observed != "unknown" for one in nodes)
            if fresh and not open_jobs and not client.get("/v1/jobs", open=True):
                return
            if time.time() > began + CALM_S:
                self._verdict.blame(
                    f"without faults, jobs {open_jobs} are not fulfilled, or not read: {nodes}", t=began
                )
                return
            time.sleep(0.02)

    def _look(self) -> tuple[list[Said], dict[Slot, bool]]:
        """Give what graped says of every slot, and the truth."""
        said = self._steps.listen(lambda: self._rig.client.get("/v1/nodes", nodes="@slots"))
        ports = self._rig.ports()
        return said, {slot: is_on(ports[slot[0]], slot[1]) for slot in SLOTS}

    def _outage_in_a_calm(self) -> None:
        """Let a stack lose its power while nothing else happens: what graped does then is what its policy says."""
        lit = [stack for stack, port in self._rig.ports().items() if port != ALL_OFF]
        if not lit:
            return
        stack, policy = self._dice.choice(lit), self._rig.policies[-1].policy
        nodes = self._rig.client.get("/v1/nodes", nodes=f"@stack:{stack}")
        wanted = {node["slot"] for node in nodes if node["power"]["desired"] == "on"}
        self._steps.brown_out(stack)
        self._rig.rack.clear_faults()
        self._settle()
        self._steps.harvest()
        said, truth = self._look()
        self._verdict.add(judge_calm(truth, said, (), frozenset(), time.time()))
        expected = {"adopt": set(), "restore": wanted, "on": set(range(6))}[policy]
        found = {slot for slot in range(6) if truth[(stack, slot)]}
        if found != expected:
            self._verdict.blame(f"policy {policy} made {found} of {expected} in stack {stack}", t=time.time())
        self.outcome.counts[f"outages in a calm, policy {policy}"] += 1

    def _touched(self, commands: Sequence[Command]) -> frozenset[Slot]:
        """Give the slots that may have changed by themselves after somebody asked something of them."""
        last: dict[Slot, float] = {}
        for command in commands:
            last |= dict.fromkeys(command.slots, command.asked)
        return frozenset(slot for slot, t in self._steps.touched.items() if t >= last.get(slot, 0.0))

    # --- judgement ----------------------------------------------------------------------------------------

    def _judge(self) -> None:
        with self._rig.trace.open() as texts:
            lines = list(lines_of(texts))
        steps, rig = self._steps, self._rig
        evidence = Evidence(
            places=PLACES, commands=steps.commands, lives=rig.lives, outages=steps.outages, stuck=steps.pins,
            policies=rig.policies,
            stagger_s=STAGGER_S, inrush_s=INRUSH_S, max_inrush=MAX_INRUSH,
        )  # fmt: skip
        judge, reads = ByteJudge(evidence), Reads(lines, evidence)
        for line in lines:
            judge.feed(line)
        history, told = self._pins.history, self._events.told
        self._verdict.add(judge.close())
        self._verdict.add(judge_answers(steps.said, history, reads))
        self._verdict.add(judge_jobs(steps.commands.values(), history, frozenset(steps.cancelled)))
        self._verdict.add(judge_outages(evidence, reads, told, rig.lives[-1].end))
        self._verdict.add(judge_crashes(judge.crashed, told))
        self._verdict.add(judge_policies(evidence, history, told))
        counts = self._verdict.counts
        counts["latest byte after its job's end, ms"] = round(judge.latest_s * 1000)
        counts["slowest repair, ms"] = round(judge.slowest_repair_s * 1000)
        counts.update(f"event {one.kind}" for one in told if one.kind.split(".")[0] in ("port", "power", "stack"))
        self.outcome.counts.update(counts)
        self.outcome.violations = sorted(self._verdict.violations, key=lambda one: one.t)
        self.outcome.shown = [around(one, lines) for one in self.outcome.violations[:5]]


def around(violation: Violation, lines: Sequence[Line]) -> str:
    """Show the trace around a violation."""
    if violation.line is None:
        near = [line for line in lines if abs(line.t - violation.t) < 0.05]
        return "\n".join(map(str, [violation.what, *near[:40]]))
    same = [line for line in lines if line.place == violation.line.place]
    place = next(number for number, line in enumerate(same) if line.number >= violation.line.number)
    shown = same[max(place - AROUND, 0) : place + AROUND]
    marked = (f"{'>' if line.number == violation.line.number else ' '} {line}" for line in shown)
    return "\n".join([violation.what, *marked])


@contextmanager
def room() -> Iterator[Path]:
    """Lend a folder with a short name (a socket's path is at most 107 bytes); kept where something failed."""
    path = Path(tempfile.mkdtemp(prefix="grape-campaign-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def campaign(*, steps: int, kills: int, seed: int) -> Outcome:
    """Run one campaign."""
    with room() as path:
        outcome = Campaign(path, steps=steps, kills=kills, seed=seed).run()
        if outcome.violations:
            kept = path.with_name(path.name + ".kept")
            shutil.copytree(path, kept, ignore=shutil.ignore_patterns("*.sock"))
            outcome.shown.append(f"everything is kept in {kept}")
    return outcome
