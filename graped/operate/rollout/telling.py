"""What is told of rollouts: lines of the event log, results of their jobs, why one ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from graped.api.folding import fold
from graped.core import rollout as machine
from graped.core.events import ChoreNodeEnded
from graped.core.jobs import Result
from graped.core.rollout_types import BACKWARD, BAD, FORWARD, Node, Rollout, Status, Step
from graped.model import SlotId
from graped.operate.house import House
from graped.operate.rollout.views import name_of
from graped.work import Progress

log = logging.getLogger("graped.rollouts")

GOOD: Final = frozenset({Step.PASSED, Step.MOVED, Step.SKIPPED})
_LOUD: Final = frozenset({"failed", "back", "stuck", "stopped", "interrupted"})
_TOLD: Final = BAD | GOOD  # steps that are lines of the event log


class Telling:
    """Everything in the loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house

    def why(self, rollout: Rollout) -> str:
        """Say in a line why it ended before its end."""
        bad = [node for node in rollout.nodes if node.step in BAD]
        left = [node.slot for node in rollout.nodes if node.step is Step.WAITING]
        parts = []
        if rollout.status is Status.STOPPED:
            first = next((node for node in bad if not node.reason.startswith(machine.WITH_ITS_WAVE)), bad[0])
            parts = [f"{self.names([first.slot])}: {first.reason}"]
            back = [node.slot for node in bad if node.step is Step.BACK]
            stuck = [node.slot for node in bad if node.step is Step.STUCK]
            parts += [f"{self.names(back)} back on the former root"] if back else []
            parts += [f"{self.names(stuck)} could not be brought back"] if stuck else []
        if left:
            parts.append(f"not begun: {self.names(left)}")
        return "; ".join(parts)

    def steps(self, before: Rollout, now: Rollout) -> None:
        """Write what happened between two moments."""
        for old, new in zip(before.nodes, now.nodes, strict=True):
            turned = new.step in BACKWARD | {Step.STUCK} and old.step in FORWARD
            if turned and not new.reason.startswith(machine.WITH_ITS_WAVE):
                self.tell(now, "failed", new.reason, new)
            if new.step is not old.step and new.step in _TOLD:
                self.tell(now, new.step.value, new.reason, new)
        if now.wave != before.wave:
            names = self.names([node.slot for node in now.nodes if node.wave == now.wave])
            self.tell(now, "wave", f"wave {now.wave + 1} of {now.waves} begins: {names}")

    def tell(self, rollout: Rollout, what: str, text: str, node: Node | None = None) -> None:
        """Write a line into the event log: ``rollout.passed``, ``reboot.stopped``."""
        word, job = "rollout" if rollout.orders.image else "reboot", rollout.jobs[-1] if rollout.jobs else None
        name = name_of(self._house.state, node.slot) if node else None
        subject = f"{name}: {word} {what}" + (f" ({text})" if text else "") if name else f"{word} {rollout.id} {text}"
        fields: dict[str, object] = {"rollout": rollout.id, "image": rollout.orders.image or None}
        if node:
            fields |= {"wave": node.wave + 1, "reason": node.reason, "root": "new" if node.moved else "former"}
        log.log(logging.WARNING if what in _LOUD else logging.INFO, "%s", subject)
        self._house.journal.append(
            f"{word}.{what}", subject, node=name, stack=node.slot.stack if node else None, job=job, fields=fields
        )  # fmt: skip

    def results(self, now: Rollout, job: int, told: set[SlotId]) -> None:
        """Tell the job what became of the nodes of waves that are over; ``told`` are those that it knows of."""
        over = now.status is not Status.RUNNING
        for node in now.nodes:
            if node.slot in told or not (over or node.wave < now.wave):
                continue
            told.add(node.slot)
            left = node.step is Step.WAITING
            result = Result.DONE if node.step in GOOD else Result.CANCELLED if left else Result.FAILED
            words = {Step.SKIPPED: f"skipped: {node.reason}", Step.WAITING: "not begun", Step.MOVED: "at its next boot"}
            reason = words.get(node.step, node.reason)
            self._house.engine.post(ChoreNodeEnded(chore=job, slot=node.slot, result=result, reason=reason))

    def each_name(self, slots: Sequence[SlotId]) -> tuple[str, ...]:
        """Name slots."""
        return tuple(name_of(self._house.state, slot) for slot in slots)

    def names(self, slots: Sequence[SlotId]) -> str:
        """Name slots in one word."""
        return fold(self.each_name(slots))


def progress_of(rollout: Rollout) -> Progress:
    """Tell how far it is, and what is being done: ``wave 2 of 3: 1 checking, 3 booting``."""
    waiting = _TOLD | {Step.WAITING}
    steps = [node.step for node in rollout.nodes if node.step not in waiting]
    told = ", ".join(f"{steps.count(step)} {step.value}" for step in dict.fromkeys(steps))
    done = sum(node.step in _TOLD for node in rollout.nodes)
    phase = f"wave {rollout.wave + 1} of {rollout.waves}" + (f": {told}" if told else "")
    return Progress(phase=phase, done=done, total=len(rollout.nodes), unit="nodes")
