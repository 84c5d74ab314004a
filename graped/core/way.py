"""How the slots of open jobs go on: the way of an off, the queue of the ons, one byte at a time for each port.

| step     | leaves when                                       | to                                             |
|----------|---------------------------------------------------|------------------------------------------------|
| queued   | (off, cycle) at once; already off and freshly read| guards; ended (cycle: stays, its off is done)  |
| guards   | every guard let go, or ``guard_max_s`` is over    | soft_off                                       |
| soft_off | the system is down, or ``soft_off_max_s`` is over | cut                                            |
| cut      | the port verifiably shows off                     | ended (cycle: resting)                         |
| resting  | the off time is over                              | queued                                         |
| queued   | (on) the sequencer lets it go                     | on                                             |
| on       | the port verifiably shows on                      | ended                                          |

Nobody registered, or ``--force``: guards and soft_off are passed at once and say so in ``way``. A stack that does not
answer holds its slots where they are; after ``give_up_s`` they fail with the stack's reason.
"""

from __future__ import annotations

from graped.core import port, sequence
from graped.core.asking import limits
from graped.core.boot import waits_for_boot
from graped.core.draft import Draft
from graped.core.effects import AskGuards, AskSoftOff, SwitchPort
from graped.core.jobs import Job, Result, Step, Task
from graped.core.state import InFlight
from graped.model import Fault, MeterKind, Power, SlotId, StackCondition, Verb

WRITABLE = frozenset({StackCondition.OK, StackCondition.DEGRADED})


def progress(draft: Draft) -> None:
    """Let every open slot go as far as it can, then write what each free port has to do."""
    if not draft.claims:
        return
    for job, task in draft.open_tasks():
        _advance(draft, job, task)
    ready: dict[int, dict[int, bool]] = {}
    _collect_cuts(draft, ready)
    _collect_ons(draft, ready)
    for stack, changes in ready.items():
        _write(draft, stack, changes)
    for job, task in draft.open_tasks():
        _watch(draft, job, task)


def guard_let_go(draft: Draft, job_id: int, slot: SlotId, note: str) -> None:
    """The guards of a slot let go."""
    if draft.claims.get(slot) == job_id and draft.jobs[job_id].tasks[slot].step is Step.GUARDS:
        _to_soft_off(draft, draft.jobs[job_id], slot, f"guards: {note or 'let go'}")


def soft_off_ended(draft: Draft, job_id: int, slot: SlotId, note: str) -> None:
    """The operating system of a slot is down, or will not go."""
    if draft.claims.get(slot) == job_id and draft.jobs[job_id].tasks[slot].step is Step.SOFT_OFF:
        _to_cut(draft, draft.jobs[job_id], slot, f"soft-off: {note or 'is down'}")


def _turns_on(job: Job, task: Task) -> bool:
    return job.verb is Verb.ON or (job.verb is Verb.CYCLE and task.cut_done)


def _advance(draft: Draft, job: Job, task: Task) -> None:
    slot, stack = task.slot, draft.stacks[task.slot.stack]
    observed = draft.slots[slot].observed
    flying = stack.in_flight is not None and slot in stack.in_flight.slots
    fresh = stack.read_at is not None and stack.read_at > job.asked and not flying
    match task.step:
        case Step.QUEUED if _turns_on(job, task):
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
        case Step.GUARDS if task.until is not None and draft.now >= task.until:
            _to_soft_off(draft, job, slot, f"guards: did not let go within {draft.config.power.guard_max_s:g} s")
        case Step.SOFT_OFF if task.until is not None and draft.now >= task.until:
            _to_cut(draft, job, slot, f"soft-off: not down after {draft.config.power.soft_off_max_s:g} s")
        case Step.CUT if observed is Power.OFF and not flying:
            _cut_ended(draft, job, task)
        case Step.RESTING if task.until is not None and draft.now >= task.until:
            draft.set_task(job.id, slot, step=Step.QUEUED, until=None, cut_done=True, queued_at=draft.now)
        case Step.ON if not flying:
            if observed is Power.ON:
                draft.end_task(job.id, slot, Result.DONE)
            else:
                draft.set_task(job.id, slot, step=Step.QUEUED)
        case _:
            pass


def _to_guards(draft: Draft, job: Job, slot: SlotId) -> None:
    if job.force:
        _to_cut(draft, job, slot, "guards: skipped by --force", "soft-off: skipped by --force")
    elif slot in draft.before.guarded:
        until = draft.now + draft.config.power.guard_max_s
        draft.set_task(job.id, slot, step=Step.GUARDS, until=until, reason="guards hold it")
        draft.effects.append(AskGuards(job=job.id, slot=slot, deadline=until))
    else:
        _to_soft_off(draft, job, slot, "guards: none registered")


def _to_soft_off(draft: Draft, job: Job, slot: SlotId, note: str) -> None:
    if slot in draft.before.soft_off:
        until = draft.now + draft.config.power.soft_off_max_s
        way = (*draft.jobs[job.id].tasks[slot].way, note)
        draft.set_task(job.id, slot, step=Step.SOFT_OFF, until=until, way=way, reason="the system is stopping")
        draft.effects.append(AskSoftOff(job=job.id, slot=slot, deadline=until))
    else:
        _to_cut(draft, job, slot, note, "soft-off: nobody to ask")


def _to_cut(draft: Draft, job: Job, slot: SlotId, *notes: str) -> None:
    way = draft.jobs[job.id].tasks[slot].way + notes
    draft.set_task(job.id, slot, step=Step.CUT, until=None, way=way, reason="")


def _cut_ended(draft: Draft, job: Job, task: Task) -> None:
    draft.set_task(job.id, task.slot, way=(*task.way, "cut"))
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


def _free(draft: Draft, key: int) -> bool:
    stack = draft.stacks[key]
    answers = stack.condition in WRITABLE and stack.reading is not None
    return answers and stack.in_flight is None and draft.now >= stack.hold_until


def _collect_cuts(draft: Draft, ready: dict[int, dict[int, bool]]) -> None:
    cutting = {task.slot for _, task in draft.open_tasks() if task.step is Step.CUT}
    for slot in sorted(cutting):
        stack = draft.stacks[slot.stack]
        if not _free(draft, slot.stack):
            continue
        assert stack.layout is not None
        if all(SlotId(slot.stack, other) in cutting for other in port.siblings(stack.layout, slot.slot)):
            ready.setdefault(slot.stack, {})[slot.slot] = False


def too_hot(draft: Draft, key: int) -> str:
    """Why a stack is too hot to switch anything on ("" if it is not)."""
    emergency = draft.config.temperature.emergency_celsius
    reading = draft.stacks[key].meters.get(MeterKind.TEMPERATURE)
    if emergency is None or reading is None or reading.value < emergency * 1000:
        return ""
    return f"stack {key} is at {reading.value / 1000:.1f} °C, too hot to switch on"


def _collect_ons(draft: Draft, ready: dict[int, dict[int, bool]]) -> None:
    queue = [
        task
        for job, task in draft.open_tasks()
        if task.step is Step.QUEUED and _turns_on(job, task) and draft.slots[task.slot].observed is not Power.ON
    ]
    queue.sort(key=lambda task: (task.queued_at, task.slot))
    wants = []
    for task in queue:
        key = task.slot.stack
        hot = too_hot(draft, key)
        if hot:
            _reason(draft, task, hot)
        elif _free(draft, key):
            wants.append(task)
    admission = sequence.admit(_groups(draft, wants), _live(draft), draft.last_on, limits(draft.config), draft.now)
    for slot, reason in admission.waiting.items():
        _reason(draft, draft.jobs[draft.claims[slot]].tasks[slot], reason)
    if admission.wake is not None:
        draft.wake_at(admission.wake)
    for want in admission.go:
        draft.last_on[want.stack] = draft.now
        for slot in want.slots:
            ready.setdefault(slot.stack, {})[slot.slot] = True
            draft.set_task(draft.claims[slot], slot, step=Step.ON, reason="")


def _groups(draft: Draft, tasks: list[Task]) -> list[sequence.Want]:
    """One group a bit, in queue order; a relay's group waits until all its slots are in the queue."""
    queued = {task.slot for task in tasks}
    groups: dict[tuple[SlotId, ...], None] = {}
    for task in tasks:
        layout = draft.stacks[task.slot.stack].layout
        assert layout is not None
        group = tuple(sorted(SlotId(task.slot.stack, one) for one in port.siblings(layout, task.slot.slot)))
        if queued.issuperset(group):
            groups.setdefault(group)
    return [sequence.Want(slots=group, watts=sum(map(draft.config.watts_of, group))) for group in groups]


def _live(draft: Draft) -> list[sequence.Live]:
    flying = {slot for stack in draft.stacks.values() if stack.in_flight for slot in stack.in_flight.slots}
    live = []
    for slot, state in draft.slots.items():
        if state.observed is Power.OFF and slot not in flying:
            continue
        live.append(
            sequence.Live(
                slot=slot,
                watts=draft.config.watts_of(slot),
                on_since=state.on_since,
                gate_open=state.gate_open or (state.observed is Power.UNKNOWN and slot not in flying),
            )
        )
    return live


def _write(draft: Draft, key: int, changes: dict[int, bool]) -> None:
    stack = draft.stacks[key]
    assert stack.layout is not None
    assert stack.reading is not None
    base = stack.reading.value
    value = port.encode(stack.layout, base, changes)
    slots = frozenset(SlotId(key, number) for number in changes)
    jobs = tuple(sorted({draft.claims[slot] for slot in slots}))
    token = draft.other.get("next_token", draft.before.next_token)
    draft.other["next_token"] = token + 1
    flight = InFlight(base=base, value=value, token=token, jobs=jobs, slots=slots)
    draft.set_stack(key, in_flight=flight, visible=False)
    for number, on in changes.items():
        if on:
            slot = SlotId(key, number)
            draft.set_slot(slot, on_since=draft.now, gate_open=not waits_for_boot(draft, slot))
    draft.effects.append(SwitchPort(stack=key, base=base, value=value, token=token, jobs=jobs))


def _watch(draft: Draft, job: Job, task: Task) -> None:
    """Keep deadlines: wake for the step's own, and give up on a stack that does not answer."""
    if task.until is not None:
        draft.wake_at(task.until)
    stack = draft.stacks[task.slot.stack]
    needs_port = task.step in (Step.QUEUED, Step.CUT, Step.ON)
    held = stack.hold_reason != ""
    if held and draft.now < stack.hold_until:
        draft.wake_at(stack.hold_until)
    if (stack.condition in WRITABLE and not held) or not needs_port:
        if task.blocked_since is not None:
            draft.set_task(job.id, task.slot, blocked_since=None)
        return
    since = draft.now if task.blocked_since is None else task.blocked_since
    why = stack.hold_reason or (stack.fault.message if stack.fault else "not read yet")
    draft.set_task(job.id, task.slot, blocked_since=since, reason=f"stack {task.slot.stack}: {why}")
    give_up = since + draft.config.power.give_up_s
    if draft.now < give_up:
        draft.wake_at(give_up)
        return
    reason = f"given up after {draft.config.power.give_up_s:g} s: stack {task.slot.stack}: {why}"
    draft.end_task(job.id, task.slot, Result.FAILED, reason)
    draft.set_slot(task.slot, fault=Fault(code="given_up", message=reason, since=draft.now))


def _reason(draft: Draft, task: Task, reason: str) -> None:
    draft.set_task(draft.claims[task.slot], task.slot, reason=reason)
