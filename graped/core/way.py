"""How the slots of open jobs go on: the way of an off, the queue of the ons, and when to give up.

| step     | leaves when                                       | to                                             |
|----------|---------------------------------------------------|------------------------------------------------|
| queued   | (off, cycle) at once; already off and freshly read| guards; ended (cycle: stays, its off is done)  |
| guards   | no guard holds it any more (graped.core.guards)   | soft_off                                       |
| soft_off | the system is down and has settled, or is not     | cut                                            |
|          | down after ``soft_off_max_s``                     |                                                |
| cut      | the port verifiably shows off                     | ended (cycle: resting)                         |
| resting  | the off time is over                              | queued                                         |
| queued   | (on) the sequencer lets it go                     | on                                             |
| on       | the port verifiably shows on                      | ended                                          |

A later command for a slot whose system is stopping goes on from there: it is cut, and comes on again where that is
asked. Nobody registered, or ``--force``: guards and soft_off are passed at once and say so in ``way``. A stack that
does not answer holds its slots where they are, and a port that does not take a slot's byte makes this slot wait a
moment (graped.core.ports); after ``give_up_s`` of either they fail with the reason. A slot that can never go on fails
at once.
"""

from __future__ import annotations

from graped.core import guards, port, sequence
from graped.core.asking import limits
from graped.core.draft import Draft
from graped.core.effects import AskSoftOff
from graped.core.events import SoftOffEnded, SoftOffTold
from graped.core.jobs import Job, Result, Step, Task
from graped.core.lateness import why_nobody
from graped.core.writing import WRITABLE, group_want, turns_on, write_what_is_due
from graped.model import Power, SlotId, Verb

SETTLED_S = 2.0  # a system that is down was to settle, and nobody says that it has: it is cut so long after that
STOPPING = "the system is stopping"


def progress(draft: Draft) -> None:
    """Let every open slot go as far as it can, then write what each free port has to do."""
    if not draft.claims:
        return
    policy = limits(draft.config)
    for job, task in draft.open_tasks():
        _fail_hopeless(draft, job, task, policy)
    for job, task in draft.open_tasks():
        _advance(draft, job, task)
    write_what_is_due(draft)
    for job, task in draft.open_tasks():
        _watch(draft, job, task)


def soft_off_told(draft: Draft, event: SoftOffTold) -> None:
    """The operating system of a slot is on its way down."""
    if not _is_stopping(draft, event.job, event.slot):
        return
    draft.set_task(event.job, event.slot, reason=event.note or STOPPING)
    if event.down:
        until = draft.now + draft.config.power.settle_s + SETTLED_S
        draft.set_task(event.job, event.slot, until=until, settling=True)


def soft_off_ended(draft: Draft, event: SoftOffEnded) -> None:
    """The operating system of a slot is down, or will not go."""
    if not _is_stopping(draft, event.job, event.slot):
        return
    note = event.note or "is down"
    draft.log("soft_off.ended", f"{draft.name(event.slot)}: {note}", slot=event.slot, job=event.job)
    _to_cut(draft, draft.jobs[event.job], event.slot, f"soft-off: {note}")


def _is_stopping(draft: Draft, job: int, slot: SlotId) -> bool:
    return draft.claims.get(slot) == job and draft.jobs[job].tasks[slot].step is Step.SOFT_OFF


def _advance(draft: Draft, job: Job, task: Task) -> None:
    slot, stack = task.slot, draft.stacks[task.slot.stack]
    observed = draft.slots[slot].observed
    flying = stack.in_flight is not None and slot in stack.in_flight.slots
    fresh = stack.read_at is not None and stack.read_at > job.asked and not flying
    match task.step:
        case Step.QUEUED if turns_on(job, task):
            if observed is Power.ON and fresh:
                already = () if job.verb is Verb.CYCLE else ("was on already",)
                draft.set_task(job.id, slot, way=task.way + already)
                draft.end_task(job.id, slot, Result.DONE)
        case Step.QUEUED if observed is Power.OFF:
            if fresh and job.verb is Verb.OFF:
                draft.set_task(job.id, slot, way=(*task.way, "was off already"))
                draft.end_task(job.id, slot, Result.DONE)
            elif fresh:
                draft.set_task(job.id, slot, way=(*task.way, "was off already"), cut_done=True)
        case Step.QUEUED:
            _to_guards(draft, job, slot)
        case Step.GUARDS if verdict := guards.verdict(draft, job, task):
            _to_soft_off(draft, job, slot, verdict)
        case Step.SOFT_OFF if task.until is not None and draft.now >= task.until:
            _cut_late(draft, job, task)
        case Step.CUT if observed is Power.OFF and not flying:
            _cut_ended(draft, job, task)
        case Step.RESTING if task.until is not None and draft.now >= task.until:
            draft.set_task(job.id, slot, step=Step.QUEUED, until=None, queued_at=draft.now)
        case Step.ON if not flying:
            if observed is Power.ON:
                draft.end_task(job.id, slot, Result.DONE)
            else:
                draft.set_task(job.id, slot, step=Step.QUEUED)
        case _:
            pass


def _to_guards(draft: Draft, job: Job, slot: SlotId) -> None:
    if job.force:
        guards.skip(draft, job, slot)
        _to_cut(draft, job, slot, "guards: skipped by --force", "soft-off: skipped by --force")
    elif not guards.ask(draft, job, slot):
        _to_soft_off(draft, job, slot, "guards: none registered")


def _to_soft_off(draft: Draft, job: Job, slot: SlotId, note: str) -> None:
    limit_s = draft.config.power.soft_off_max_s
    if slot in draft.before.soft_off and limit_s > 0:
        until = draft.now + limit_s
        way = (*draft.jobs[job.id].tasks[slot].way, note)
        draft.set_task(
            job.id, slot, step=Step.SOFT_OFF, until=until, way=way, reason=STOPPING, holds=()
        )  # fmt: skip
        draft.log("soft_off.asked", f"{draft.name(slot)}: its system is asked to stop, for power {job.verb}",
                  slot=slot, job=job.id, verb=job.verb.value)  # fmt: skip
        draft.effects.append(AskSoftOff(job=job.id, slot=slot, deadline=until))
    else:
        seen = why_nobody(draft.slots[slot])
        why = f"nobody to ask{f' ({seen})' if seen else ''}" if limit_s > 0 else "power.soft_off_max_s is 0"
        _to_cut(draft, job, slot, note, f"soft-off: {why}")


def _cut_late(draft: Draft, job: Job, task: Task) -> None:
    """Cut a slot whose system did not obey, or is down for longer than it was to settle."""
    if task.settling:
        _to_cut(draft, job, task.slot, f"soft-off: {task.reason}")
        return
    last = f" ({task.reason})" if task.reason not in ("", STOPPING) else ""
    note = f"not down after {draft.config.power.soft_off_max_s:g} s{last}"
    draft.log("soft_off.overdue", f"{draft.name(task.slot)}: {note}; it is cut", slot=task.slot, job=job.id)
    _to_cut(draft, job, task.slot, f"soft-off: {note}")


def _to_cut(draft: Draft, job: Job, slot: SlotId, *notes: str) -> None:
    way = draft.jobs[job.id].tasks[slot].way + notes
    draft.set_task(job.id, slot, step=Step.CUT, until=None, way=way, reason="", holds=(), settling=False)


def _cut_ended(draft: Draft, job: Job, task: Task) -> None:
    draft.set_task(job.id, task.slot, way=(*task.way, "cut"), refused="", refused_since=None, again_at=None)
    if job.verb is Verb.OFF:
        draft.end_task(job.id, task.slot, Result.DONE)
        return
    off_s = draft.config.power.cycle_off_s if job.off_s is None else job.off_s
    draft.set_task(
        job.id,
        task.slot,
        step=Step.RESTING,
        until=draft.now + off_s,
        reason=f"stays off for {off_s:g} s",
        cut_done=True,
    )


def _fail_hopeless(draft: Draft, job: Job, task: Task, policy: sequence.Limits) -> None:
    """Fail a slot that no waiting will ever let go on, so that it does not hold up the others.

    Requests are checked before they are accepted; this is for what changed since then (the configuration, a layout
    that was not known, a neighbour behind the same relay that was given up) and for what a policy asks.
    """
    layout = draft.stacks[task.slot.stack].layout
    goal = Power.ON if turns_on(job, task) else Power.OFF
    if layout is None or draft.slots[task.slot].observed is goal:
        return
    group = tuple(SlotId(task.slot.stack, one) for one in sorted(port.siblings(layout, task.slot.slot)))
    reason = ""
    for other in group:
        claim = draft.claims.get(other)
        if claim is None or draft.jobs[claim].verb is not job.verb:
            reason = f"shares its relay with {draft.name(other)}, which nobody asked to switch {job.verb.value} with it"
    if not reason and turns_on(job, task) and task.step is Step.QUEUED:
        reason = sequence.never_fits(group_want(draft, group), policy)
    if reason:
        draft.fail_task(job.id, task.slot, reason)


def _watch(draft: Draft, job: Job, task: Task) -> None:
    """Keep deadlines: wake for the step's own, and give up on a stack that does not answer."""
    if task.until is not None:
        draft.wake_at(task.until)
    stack = draft.stacks[task.slot.stack]
    needs_port = task.step in (Step.QUEUED, Step.CUT, Step.ON)
    if task.again_at is not None and draft.now < task.again_at:
        draft.wake_at(task.again_at)
    if stack.condition in WRITABLE or not needs_port:
        if task.blocked_since is not None:
            draft.set_task(job.id, task.slot, blocked_since=None)
        return
    since = draft.now if task.blocked_since is None else task.blocked_since
    why = stack.fault.message if stack.fault else "not read yet"
    draft.set_task(job.id, task.slot, blocked_since=since, reason=f"stack {task.slot.stack}: {why}")
    give_up = since + draft.config.power.give_up_s
    if draft.now < give_up:
        draft.wake_at(give_up)
        return
    reason = f"given up after {draft.config.power.give_up_s:g} s: stack {task.slot.stack}: {why}"
    draft.fail_task(job.id, task.slot, reason)
