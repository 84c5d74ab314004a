"""Requests: refuse what can never be, accept a power command as a job, cancel one."""

from __future__ import annotations

from dataclasses import replace

from graped.config.types import Config
from graped.core import port, sequence
from graped.core.draft import Draft
from graped.core.effects import AskSoftOff, ReadPort
from graped.core.events import CancelAsked, PowerAsked
from graped.core.jobs import Job, Result, Step, Task
from graped.core.observe import UNREADABLE
from graped.core.state import State
from graped.errors import NoTarget, OverBudget, SharedRelay, UnknownNode
from graped.model import Power, SlotId, Verb


def limits(config: Config) -> sequence.Limits:
    """The sequencer's limits out of the configuration."""
    policy = config.power
    stacks = config.cluster.stacks
    return sequence.Limits(
        stagger_s=policy.stagger_s,
        inrush_s=policy.inrush_s,
        max_inrush=policy.max_inrush,
        max_booting=policy.max_booting,
        budgets={key: s.budget_watts for key, s in stacks.items() if s.budget_watts is not None},
    )


def check(state: State, verb: Verb, slots: tuple[SlotId, ...]) -> None:
    """Refuse a power request that can never be fulfilled.

    Raises: NoTarget, UnknownNode, SharedRelay, OverBudget.
    """
    if not slots:
        raise NoTarget(
            "no node was named", hint="name nodes, e.g. worker-0-[0-3] or @stack:0; no target never means all"
        )
    asked = set(slots)
    for slot in slots:
        if slot not in state.slots:
            raise UnknownNode(f"there is no slot {slot.slot} in stack {slot.stack}")
        layout = state.stacks[slot.stack].layout
        if layout is None:
            continue
        group = {SlotId(slot.stack, number) for number in port.siblings(layout, slot.slot)}
        if group - asked:
            missing = ", ".join(sorted(state.config.node_name(one) for one in group - asked))
            raise SharedRelay(
                f"{state.config.node_name(slot)} shares its relay with {missing}",
                hint="name all slots behind the relay, so that nothing changes that nobody asked for",
            )
        if verb is not Verb.OFF:
            want = sequence.Want(slots=tuple(sorted(group)), watts=sum(map(state.config.watts_of, group)))
            if reason := sequence.never_fits(want, limits(state.config)):
                raise OverBudget(f"{state.config.node_name(slot)} can never be switched on: {reason}")


def accept(draft: Draft, event: PowerAsked) -> None:
    """Make a job of a checked request. A slot that an older job works on is taken over."""
    tasks = {}
    for slot in dict.fromkeys(event.slots):
        tasks[slot] = Task(slot=slot, queued_at=draft.now)
        older = draft.claims.get(slot)
        if older is not None:
            tasks[slot] = _going_on(draft, event, draft.jobs[older], draft.jobs[older].tasks[slot])
            draft.end_task(older, slot, Result.SUPERSEDED, f"job {event.job} asks for {event.verb.value}")
        draft.claims[slot] = event.job
        draft.want(slot, Power.OFF if event.verb is Verb.OFF else Power.ON)
        fault = draft.slots[slot].fault
        if fault is not None and fault.code != UNREADABLE:
            draft.set_slot(slot, fault=None)
    draft.jobs[event.job] = Job(
        id=event.job, verb=event.verb, by=event.by, asked=draft.now, tasks=tasks,
        force=event.force, off_s=event.off_s, request_id=event.request_id,
    )  # fmt: skip
    draft.visible = True
    draft.touched_jobs.add(event.job)
    draft.other["next_job"] = max(draft.next_job, event.job + 1)
    names = ", ".join(map(draft.name, tasks))
    draft.log("job.accepted", f"power {event.verb.value} of {names}, asked by {event.by}", job=event.job,
              by=event.by, force=event.force, request_id=event.request_id)  # fmt: skip
    for stack in sorted({slot.stack for slot in event.slots}):
        draft.effects.append(ReadPort(stack=stack))


def _going_on(draft: Draft, event: PowerAsked, old: Job, task: Task) -> Task:
    """Begin where an earlier job has brought a slot: asking again neither costs its place nor gains it time.

    A system that is stopping stops, whatever is asked now: a slot that is to be on is cut and comes on again.
    """
    new = Task(slot=task.slot, queued_at=draft.now)
    if old.verb is event.verb and task.step is Step.QUEUED:
        new = replace(new, queued_at=task.queued_at)
    if event.force or not _loses_power(old, task):
        return new
    if task.step is Step.SOFT_OFF and task.until is not None:
        draft.effects.append(AskSoftOff(job=event.job, slot=task.slot, deadline=task.until))
        return replace(
            new, step=Step.SOFT_OFF, until=task.until, way=task.way, reason=task.reason, settling=task.settling
        )  # fmt: skip
    if event.verb is Verb.ON:
        return new
    return replace(new, guarded_until=task.until if task.step is Step.GUARDS else task.guarded_until)


def _loses_power(job: Job, task: Task) -> bool:
    return (job.verb is not Verb.ON and not task.cut_done) or task.step is Step.SOFT_OFF


def cancel(draft: Draft, event: CancelAsked) -> None:
    """End the slots of a job that still wait. A byte that is on its way is not called back.

    One that was sent and never verified may have arrived: the slot ends here, and is adopted as it is found.
    """
    job = draft.jobs.get(event.job)
    if job is None or job.ended is not None:
        return
    for slot, task in job.tasks.items():
        flight = draft.stacks[slot.stack].in_flight
        flying = flight is not None and slot in flight.slots
        if task.result is not None or (flight is not None and flying and not flight.unsure):
            continue
        note = "; it is off in the middle of its cycle" if task.cut_done else ""
        note = "; its system was asked to stop, and stops" if task.step is Step.SOFT_OFF else note
        note = "; whether it was switched is not known yet" if flying else note
        draft.end_task(job.id, slot, Result.CANCELLED, f"cancelled by {event.by}{note}")
        observed = draft.slots[slot].observed
        if observed is Power.UNKNOWN:
            draft.set_slot(slot, desired=None)
        else:
            draft.want(slot, observed)
    draft.log("job.cancel", f"job {job.id} cancelled by {event.by}", job=job.id, by=event.by)
