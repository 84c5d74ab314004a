"""What the contract says of jobs: power commands and long work, of now and of the archive."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

from graped.api import types
from graped.api.folding import fold
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.core.state import State
from graped.model import SlotId
from graped.store.chores import StoredChore, StoredNode, stored_chore
from graped.store.jobs import StoredJob, StoredTask, stored


def job(state: State, clock: Clock, job: Job | StoredJob | Chore | StoredChore) -> types.Job:
    """A job; ``observed`` and ``stage`` of its slots are those of now."""
    if isinstance(job, (Chore, StoredChore)):
        return _chore(state, clock, job)
    kept = stored(job, clock) if isinstance(job, Job) else job
    names = [_name(state, one.slot) for one in kept.tasks]
    view = types.Job(
        id=kept.id,
        kind="power",
        verb=kept.verb.value,
        by=kept.by,
        outcome=kept.outcome.value,
        asked=rfc3339(kept.asked),
        ended=None if kept.ended is None else rfc3339(kept.ended),
        force=kept.force,
        request_id=kept.request_id,
        folded=fold(names),
        tasks=tuple(_task(state, name, task) for name, task in zip(names, kept.tasks, strict=True)),
        subject=fold(names),
    )
    return replace(view, version=_version(view))


def _chore(state: State, clock: Clock, chore: Chore | StoredChore) -> types.Job:
    kept = stored_chore(chore, clock) if isinstance(chore, Chore) else chore
    live = chore if isinstance(chore, Chore) else None
    names = [_name(state, node.slot) for node in kept.nodes]
    begun = {slot for slot, node in live.nodes.items() if node.begun} if live else set()
    why = kept.failure.message if kept.failure else ""
    if kept.cancelled_by and (kept.failure is None or kept.failure.code == "cancelled"):
        why = f"cancelled by {kept.cancelled_by}"
    view = types.Job(
        id=kept.id,
        kind=kept.kind.value,
        verb=None,
        by=kept.by,
        outcome=kept.outcome.value,
        asked=rfc3339(kept.asked),
        ended=None if kept.ended is None else rfc3339(kept.ended),
        force=False,
        request_id=kept.request_id,
        folded=fold(names),
        tasks=tuple(_node(state, node, begun=node.slot in begun) for node in kept.nodes),
        subject=kept.subject,
        progress=_progress(live) if live else None,
        code=kept.failure.code if kept.failure else "",
        reason=why,
        hint=kept.failure.hint if kept.failure else "",
        result=kept.result,
    )
    return replace(view, version=_version(view))


def _progress(chore: Chore) -> types.Progress | None:
    now = chore.progress
    if now is None:
        return None
    return types.Progress(phase=now.phase, done=now.done, total=now.total, unit=now.unit)


def _name(state: State, slot: SlotId) -> str:
    return state.config.node_name(slot) if slot in state.slots else slot.default_name


def _task(state: State, name: str, task: StoredTask) -> types.Task:
    now = state.slots.get(task.slot)
    return types.Task(
        name=name,
        step=task.step.value,
        result=task.result.value if task.result else None,
        reason=task.reason,
        way=task.way,
        observed=now.observed.value if now else "unknown",
        stage=now.stage.value if now and now.stage else None,
    )


def _node(state: State, node: StoredNode, *, begun: bool) -> types.Task:
    now = state.slots.get(node.slot)
    return types.Task(
        name=_name(state, node.slot),
        step="ended" if node.result else "working" if begun else "queued",
        result=node.result.value if node.result else None,
        reason=node.reason,
        way=(),
        observed=now.observed.value if now else "unknown",
        stage=now.stage.value if now and now.stage else None,
    )


def _version(view: types.Job) -> int:
    """A number that differs whenever how far the job has come does."""
    told = [(task.name, task.step, task.result, task.reason) for task in view.tasks]
    return crc32(repr((told, view.outcome, view.progress, view.reason)).encode())
