"""One byte at a time for each port: collect what is to be cut and what may come on, and write it."""

from __future__ import annotations

from graped.core import port, sequence
from graped.core.asking import limits
from graped.core.boot import waits_for_boot
from graped.core.draft import Draft
from graped.core.effects import SwitchPort
from graped.core.jobs import Job, Step, Task
from graped.core.state import InFlight
from graped.model import MeterKind, PortLayout, PortReading, Power, SlotId, StackCondition, Verb

WRITABLE = frozenset({StackCondition.OK, StackCondition.DEGRADED})


def turns_on(job: Job, task: Task) -> bool:
    """Whether what is left to switch is on."""
    return job.verb is Verb.ON or (job.verb is Verb.CYCLE and task.cut_done)


def write_what_is_due(draft: Draft) -> None:
    """Write what each free port has to carry out now: all cuts, and the ons that the sequencer lets go."""
    ready: dict[int, dict[int, bool]] = {}
    _collect_cuts(draft, ready)
    _collect_ons(draft, ready)
    for stack, changes in ready.items():
        _write(draft, stack, changes)


def _free(draft: Draft, task: Task) -> bool:
    """Whether a byte may go out for this slot now."""
    stack = draft.stacks[task.slot.stack]
    answers = stack.condition in WRITABLE and stack.reading is not None and stack.in_flight is None
    return answers and (task.again_at is None or draft.now >= task.again_at)


def _collect_cuts(draft: Draft, ready: dict[int, dict[int, bool]]) -> None:
    cutting = {task.slot for _, task in draft.open_tasks() if task.step is Step.CUT and _free(draft, task)}
    for slot in sorted(cutting):
        layout = draft.stacks[slot.stack].layout
        assert layout is not None
        if all(SlotId(slot.stack, other) in cutting for other in port.siblings(layout, slot.slot)):
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
        if task.step is Step.QUEUED and turns_on(job, task) and draft.slots[task.slot].observed is not Power.ON
    ]
    queue.sort(key=lambda task: (task.queued_at, draft.claims[task.slot], task.slot))
    wants = []
    for task in queue:
        refusal = draft.held or too_hot(draft, task.slot.stack)
        if refusal:
            _reason(draft, task, refusal)
        elif _free(draft, task):
            wants.append(task)
    if not wants:
        return
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
    return [group_want(draft, group) for group in groups]


def group_want(draft: Draft, group: tuple[SlotId, ...]) -> sequence.Want:
    """What a group of slots asks of the sequencer."""
    return sequence.Want(slots=group, watts=sum(map(draft.config.watts_of, group)))


def _live(draft: Draft) -> list[sequence.Live]:
    """Every slot that is on, or may be, or is about to be. One whose byte is on its way may come on any moment."""
    flying: set[SlotId] = set()
    sure: set[SlotId] = set()
    for stack in draft.stacks.values():
        if stack.in_flight is not None:
            flying |= stack.in_flight.slots
            if not stack.in_flight.unsure and stack.condition in WRITABLE:
                sure |= stack.in_flight.slots
    live = []
    for slot, state in draft.slots.items():
        if state.observed is Power.OFF and (slot not in flying or state.on_since is None):
            continue
        live.append(
            sequence.Live(
                slot=slot,
                watts=draft.config.watts_of(slot),
                on_since=draft.now if slot in sure and state.observed is not Power.ON else state.on_since,
                gate_open=state.gate_open or (state.observed is Power.UNKNOWN and slot not in flying),
            )
        )
    return live


def _write(draft: Draft, key: int, changes: dict[int, bool]) -> None:
    stack = draft.stacks[key]
    assert stack.layout is not None
    assert stack.reading is not None
    base = _base(stack.layout, stack.reading, changes)
    value = port.encode(stack.layout, base, changes)
    slots = frozenset(SlotId(key, number) for number in changes)
    jobs = tuple(sorted({draft.claims[slot] for slot in slots}))
    token = draft.next_token()
    flight = InFlight(base=base, value=value, token=token, jobs=jobs, slots=slots)
    draft.set_stack(key, in_flight=flight, visible=False)
    for number, on in changes.items():
        if on:
            slot = SlotId(key, number)
            draft.set_slot(slot, on_since=draft.now, gate_open=not waits_for_boot(draft, slot))
    draft.effects.append(SwitchPort(stack=key, base=base, value=value, token=token, jobs=jobs))


def _base(layout: PortLayout, reading: PortReading, changes: dict[int, bool]) -> int:
    """What to write over: drivers switch where base and value differ, so a slot nobody can tell has to differ."""
    base = reading.value
    for slot, on in changes.items():
        if port.decode(layout, reading, slot) is Power.UNKNOWN:
            mask = 1 << layout.bits[slot]
            base = base & ~mask if on is not layout.active_low else base | mask
    return base


def _reason(draft: Draft, task: Task, reason: str) -> None:
    draft.set_task(draft.claims[task.slot], task.slot, reason=reason)
