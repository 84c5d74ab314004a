"""Lifecycle guards: clients that do something for a node before its power goes (drain it, save its work).

| what happens                                      | what becomes of a guard's hold on a slot                     |
|---------------------------------------------------|--------------------------------------------------------------|
| a slot that it looks after comes to ``guards``    | begins; ``guard.asked`` tells it, with the deadline          |
| it tells something                                | goes on; what it told is why the slot waits                  |
| it releases the slot                              | ends; when the last one of a slot ended, the slot goes on    |
| it is registered again                            | goes on, and its lease begins anew                           |
| it is registered without the slot, or removed     | ends                                                         |
| its lease is over                                 | ends: a guard whose owner died holds no longer than that     |
| ``guard_max_s`` after the slot came to ``guards`` | ends; ``guard.overdue`` tells it                             |
| the job is cancelled or taken over                | ends; ``guard.called_off`` tells it                          |
| the slot is to lose power for a later job as well | asked anew for that job, until the deadline of the first     |
| ``--force``, emergency off                        | never begins; ``guard.skipped`` tells it                     |

Guards are forgotten when graped ends, and so are their holds: nothing goes on then, and whoever wants to guard
registers again. Who registers while a slot waits for others is not asked for it any more.
"""

from __future__ import annotations

from dataclasses import replace

from graped.core.draft import Draft
from graped.core.effects import AskGuards
from graped.core.events import GuardEvent, GuardRegistered, GuardReleased, GuardRemoved, GuardTold
from graped.core.jobs import Hold, Job, Step, Task
from graped.core.state import Guard, State
from graped.errors import Conflict, NotFound
from graped.model import SlotId

MAX_GUARDS = 32  # each costs a look at every event


def check(state: State, event: GuardEvent) -> None:
    """Refuse what a guard's owner says where it cannot be.

    Raises: NotFound (no such guard: its lease was over, or graped was restarted), Conflict (it holds no such slot).
    """
    known = event.name in state.guards
    match event:
        case GuardRegistered():
            if not known and len(state.guards) >= MAX_GUARDS:
                raise Conflict(f"there are {MAX_GUARDS} guards already", hint="`grapecli guards` lists them")
        case GuardRemoved() if known:
            pass
        case GuardTold() | GuardReleased() if known:
            if not _holds(state.jobs.get(event.job), event):
                name = state.config.node_name(event.slot)
                raise Conflict(f"guard {event.name} does not hold {name} for job {event.job}")
        case _:
            hint = "Register it; a guard is forgotten when its lease is over, and when graped is restarted."
            raise NotFound(f"there is no guard {event.name}", hint=hint)


def take(draft: Draft, event: GuardEvent) -> None:
    """Take what a guard's owner says; what cannot be (any more) changes nothing."""
    match event:
        case GuardRegistered():
            _register(draft, event)
        case GuardRemoved() if event.name in draft.guards:
            del draft.guards[event.name]
            draft.visible = True
            draft.log("guard.removed", f"guard {event.name} was removed by {event.by}", guard=event.name, by=event.by)
            _end_holds(draft, event.name, "was removed")
        case GuardTold() if _holds(draft.jobs.get(event.job), event):
            _change(draft, event.job, event.slot, event.name, note=event.note)
        case GuardReleased() if _holds(draft.jobs.get(event.job), event):
            note = event.note or "let go"
            _change(draft, event.job, event.slot, event.name, over=note)
            draft.log("guard.released", f"{draft.name(event.slot)}: guard {event.name} lets go: {note}",
                      slot=event.slot, job=event.job, guard=event.name)  # fmt: skip
        case _:
            pass


def lapse(draft: Draft) -> None:
    """Forget guards whose lease is over, and wake for the next one."""
    for guard in list(draft.guards.values()):
        if draft.now < guard.until:
            draft.wake_at(guard.until)
            continue
        del draft.guards[guard.name]
        draft.visible = True
        held = [draft.name(slot) for slot in _end_holds(draft, guard.name, "its lease is over")]
        told = f"; it held {', '.join(held)}" if held else ""
        draft.log("guard.lapsed", f"the lease of guard {guard.name} is over{told}", guard=guard.name, nodes=held)


def ask(draft: Draft, job: Job, slot: SlotId) -> bool:
    """Have the guards of a slot hold it, at most ``guard_max_s``; False where there is none."""
    names = looking_after(draft.guards, slot)
    if not names:
        return False
    until = draft.now + draft.config.power.guard_max_s
    earlier = draft.jobs[job.id].tasks[slot].guarded_until
    if earlier is not None:
        until = min(until, earlier)
    holds = tuple(Hold(guard=name, since=draft.now) for name in names)
    draft.set_task(job.id, slot, step=Step.GUARDS, until=until, holds=holds, reason=_reason(holds))
    draft.effects.append(AskGuards(job=job.id, slot=slot, verb=job.verb, guards=names, deadline=until))
    return True


def skip(draft: Draft, job: Job, slot: SlotId) -> None:
    """Tell the guards of a slot that it loses power without them."""
    names = looking_after(draft.guards, slot)
    if names:
        draft.log("guard.skipped", f"{draft.name(slot)}: power {job.verb} by force waits for no guard",
                  slot=slot, job=job.id, guards=list(names), verb=job.verb.value)  # fmt: skip


def verdict(draft: Draft, job: Job, task: Task) -> str:
    """Say what came of a slot's guards, for its way; "" while one holds it."""
    if all(hold.over for hold in task.holds):
        return _told(task.holds)
    if task.until is None or draft.now < task.until:
        return ""
    asked = min((hold.since for hold in task.holds), default=task.until)
    late = f"did not let go within {task.until - asked:g} s"
    names = [hold.guard for hold in task.holds if not hold.over]
    draft.log("guard.overdue", f"{draft.name(task.slot)}: guard {', '.join(names)} {late}",
              slot=task.slot, job=job.id, guards=names)  # fmt: skip
    return _told(tuple(hold if hold.over else replace(hold, over=_noted(late, hold.note)) for hold in task.holds))


def looking_after(guards: dict[str, Guard], slot: SlotId) -> tuple[str, ...]:
    """Name the guards of a slot."""
    return tuple(sorted(guard.name for guard in guards.values() if slot in guard.slots))


def _register(draft: Draft, event: GuardRegistered) -> None:
    old = draft.guards.get(event.name)
    if old is None and len(draft.guards) >= MAX_GUARDS:
        return
    slots = event.slots & frozenset(draft.slots)
    draft.guards[event.name] = Guard(
        name=event.name, slots=slots, lease_s=event.lease_s, until=draft.now + event.lease_s
    )  # fmt: skip
    if old is None or old.slots != slots:
        draft.visible = True
    if old is None:
        draft.log("guard.registered", f"guard {event.name} is asked before its nodes lose power, says {event.by}",
                  guard=event.name, by=event.by, nodes=[draft.name(slot) for slot in sorted(slots)])  # fmt: skip
    for job, task in draft.open_tasks():
        if task.slot not in slots and _open(task, event.name):
            _change(draft, job.id, task.slot, event.name, over="looks after it no more")


def _end_holds(draft: Draft, name: str, over: str) -> list[SlotId]:
    """End all holds of a guard; return what it held."""
    held = [(job.id, task.slot) for job, task in draft.open_tasks() if _open(task, name)]
    for job, slot in held:
        _change(draft, job, slot, name, over=over)
    return sorted(slot for _, slot in held)


def _change(draft: Draft, job: int, slot: SlotId, name: str, *, note: str | None = None, over: str = "") -> None:
    """Change a guard's hold on a slot; the slot goes on by itself when none is left."""

    def changed(hold: Hold) -> Hold:
        if hold.guard != name:
            return hold
        return replace(hold, note=hold.note if note is None else note, over=over)

    holds = tuple(map(changed, draft.jobs[job].tasks[slot].holds))
    draft.set_task(job, slot, holds=holds, reason=_reason(holds))


def _holds(job: Job | None, event: GuardTold | GuardReleased) -> bool:
    task = job.tasks.get(event.slot) if job else None
    return task is not None and _open(task, event.name)


def _open(task: Task, name: str) -> bool:
    return any(hold.guard == name and not hold.over for hold in task.holds)


def _reason(holds: tuple[Hold, ...]) -> str:
    """Say what a slot waits for, in the guards' own words."""
    waits = [hold for hold in holds if not hold.over]
    if len(waits) == 1:
        return waits[0].note or f"waits for guard {waits[0].guard}"
    return "; ".join(f"{hold.guard}: {hold.note or 'is asked'}" for hold in waits)


def _told(holds: tuple[Hold, ...]) -> str:
    return "guards: " + "; ".join(f"{hold.guard}: {hold.over}" for hold in holds)


def _noted(text: str, note: str) -> str:
    return f"{text} ({note})" if note else text
