"""Nodes go through something new in waves: onto another image (rollout), or through a reboot. Pure.

A wave goes forward together: all of its nodes are prepared before the first one loses power.

| step      | what is done                                          | then                        | on failure |
|-----------|-------------------------------------------------------|-----------------------------|------------|
| waiting   | nothing: its wave has not begun                       | preparing                   |            |
| preparing | what it runs is noted; rollout: its new root is made  | ready; off: moved, skipped  | failed     |
| ready     | nothing: others of its wave are not prepared yet      | cycling                     |            |
| cycling   | power cycle, through guards and soft-off              | booting                     | failed     |
| booting   | until it is up, and shows another boot than before    | checking, passed            | failed     |
| checking  | the health command                                    | passed                      | failed     |

Once a node of a rollout has failed, nothing of this begins any more. What was begun ends; then each node of the wave
that has the new root goes back, and the rollout has stopped. Those that are off go back without power. A node that
had no root before cannot, and is stuck at once. After a reboot nothing goes back: it stops when ``failures`` nodes
have failed, at the end of the wave.

| step      | what is done                                          | then                        | on failure |
|-----------|-------------------------------------------------------|-----------------------------|------------|
| stopping  | power off, through guards and soft-off                | returning                   | stuck      |
| returning | its former root, with all that it had changed         | returned; off: back         | stuck      |
| returned  | nothing: others of its wave are not off yet           | starting                    |            |
| starting  | power on                                              | rising                      | stuck      |
| rising    | until it is up                                        | back                        | stuck      |

A cancel lets the wave that has begun end, by passing or by going back, and begins none. After a crash nodes are looked
at (``Found``), and what was done already is not done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from graped.core.rollout_types import (
    BACKWARD,
    BAD,
    FORWARD,
    TOGETHER,
    Action,
    Ended,
    Found,
    Node,
    Orders,
    Rollout,
    Status,
    Step,
)
from graped.model import SlotId

_RESTING: Final = frozenset({Step.READY, Step.PASSED, Step.FAILED, Step.MOVED})  # what may have to go back
WITH_ITS_WAVE: Final = "goes back with its wave"  # why a node goes back that has not failed itself
_NEXT: Final = {
    Step.CYCLING: Step.BOOTING,
    Step.CHECKING: Step.PASSED,
    Step.STOPPING: Step.RETURNING,
    Step.STARTING: Step.RISING,
    Step.RISING: Step.BACK,
}


def waves(slots: Iterable[SlotId], canary: int, size: int) -> tuple[tuple[SlotId, ...], ...]:
    """Cut nodes into waves in their order: ``canary`` first (where not 0), then ``size`` at a time."""
    left = tuple(dict.fromkeys(slots))
    first, left = left[:canary], left[canary:]
    rest = (left[begin : begin + size] for begin in range(0, len(left), size))
    return tuple(wave for wave in (first, *rest) if wave)


def planned(orders: Orders, slots: Iterable[SlotId]) -> tuple[Node, ...]:
    """Lay out all nodes in their waves."""
    cut = waves(slots, orders.canary, orders.wave)
    return tuple(Node(slot=slot, wave=number) for number, wave in enumerate(cut) for slot in wave)


def begin(rollout: Rollout) -> Rollout:
    """Begin the first wave."""
    return _settled(rollout)


def take(rollout: Rollout, end: Ended) -> Rollout:
    """Take the end of a node's work, and go on. What does not fit changes nothing."""
    node = rollout.node(end.slot)
    if node is None or rollout.status is not Status.RUNNING or node.step is not end.step:
        return rollout
    after = _after(rollout.orders, node, end)
    if after.step in (Step.BOOTING, Step.CHECKING) and _goes_back(rollout):
        after = replace(after, step=Step.READY)  # nothing is begun any more but the way back
    return _settled(_with(rollout, (after,)))


def cancel(rollout: Rollout) -> Rollout:
    """Begin no further wave."""
    return _settled(replace(rollout, cancelled=True)) if rollout.status is Status.RUNNING else rollout


def resume(rollout: Rollout, found: Mapping[SlotId, Found]) -> Rollout:
    """Go on after a crash or a cancel: ``found`` tells of the nodes of the wave that has begun."""
    back = _goes_back(rollout)
    nodes = tuple(
        _found(rollout.orders, node, found[node.slot], back=back) for node in rollout.nodes if node.slot in found
    )
    fresh = replace(rollout, status=Status.RUNNING, reason="", ended=None, cancelled=False)
    return _settled(_with(fresh, nodes))


def actions(before: Rollout | None, now: Rollout) -> tuple[Action, ...]:
    """Tell what is to be begun, after ``before`` became ``now``; None: nothing of it was begun in this life."""
    known = {node.slot: node.step for node in before.nodes} if before is not None else {}
    begun: dict[Step, list[SlotId]] = {}
    for node in now.nodes:
        if node.step in FORWARD | BACKWARD and node.step is not known.get(node.slot):
            begun.setdefault(node.step, []).append(node.slot)
    return tuple(
        Action(step=step, slots=group)
        for step, slots in begun.items()
        for group in ((tuple(slots),) if step in TOGETHER else ((slot,) for slot in slots))
    )


def in_hand(rollout: Rollout) -> tuple[Node, ...]:
    """Give the nodes that a crash finds in the middle of something."""
    ended = {Step.WAITING, Step.PASSED, Step.MOVED, Step.SKIPPED} | BAD
    return tuple(node for node in rollout.nodes if node.step not in ended)


def _after(orders: Orders, node: Node, end: Ended) -> Node:
    """Tell what a node becomes when its step ended."""
    if end.error:
        if node.step in BACKWARD:
            return replace(node, step=Step.STUCK, reason=_joined(node.reason, f"not back: {end.error}"))
        return replace(node, step=Step.FAILED, reason=end.error)
    if node.step is Step.PREPARING:
        return _prepared(orders, node, end)
    if node.step is Step.BOOTING:
        return replace(node, step=Step.CHECKING if orders.health else Step.PASSED, reason=end.note)
    if node.step is Step.RETURNING:
        return replace(node, step=Step.BACK if node.off else Step.RETURNED, moved=False)
    note = end.note if node.step in FORWARD else ""  # on the way back it is told why it goes back
    return replace(node, step=_NEXT[node.step], reason=note or node.reason)


def _prepared(orders: Orders, node: Node, end: Ended) -> Node:
    if end.skip:
        return replace(node, step=Step.SKIPPED, reason=end.note)
    return replace(
        node, step=Step.MOVED if end.off else Step.READY, reason=end.note, moved=orders.image != "", off=end.off,
        was=node.was or end.was, was_image=node.was_image or end.was_image, boot=node.boot or end.boot,
    )  # fmt: skip


def _found(orders: Orders, node: Node, found: Found, *, back: bool) -> Node:
    """Tell where a node goes on that a crash found in the middle of a step."""
    if node.step in FORWARD | {Step.READY}:
        node = replace(node, was=node.was or found.was, was_image=node.was_image or found.was_image)
        return _found_turning(node, found) if back else _found_forward(orders, node, found)
    if node.step in (Step.RETURNED, Step.STARTING, Step.RISING) and found.old:
        return replace(node, step=Step.BACK if found.up and node.step is Step.RISING else Step.RETURNED)
    if node.step is Step.RETURNING and node.off:
        return node
    return replace(node, step=Step.STOPPING) if node.step in BACKWARD | {Step.RETURNED} else node


def _found_forward(orders: Orders, node: Node, found: Found) -> Node:
    right = found.new or not orders.image
    if node.step in (Step.PREPARING, Step.READY) or not right:  # preparing again does no harm
        return replace(node, step=Step.PREPARING)
    sure = found.rebooted or (found.rebooted is None and node.step is not Step.CYCLING)
    if found.up and sure:
        return replace(node, step=Step.CHECKING if orders.health else Step.PASSED)
    return replace(node, step=Step.READY)


def _found_turning(node: Node, found: Found) -> Node:
    """A node of a wave that goes back: what it was in the middle of is not begun again."""
    if found.new:
        return replace(node, step=Step.READY, moved=True)
    return replace(node, step=Step.SKIPPED, moved=False, reason="on the root that it had")


def _settled(rollout: Rollout) -> Rollout:
    """Let everything begin that may, wave after wave."""
    while rollout.status is Status.RUNNING:
        moved = _further(rollout)
        if moved == rollout:
            break
        rollout = moved
    return rollout


def _further(rollout: Rollout) -> Rollout:
    wave = _wave(rollout)
    steps = {node.step for node in wave}
    if not _goes_back(rollout):
        if Step.READY in steps and Step.PREPARING not in steps:
            return _with(rollout, (replace(node, step=Step.CYCLING) for node in wave if node.step is Step.READY))
        return rollout if steps & FORWARD else _next_wave(rollout)
    if steps & FORWARD:
        return rollout  # what was begun ends first
    if going := [_turned(node) for node in wave if node.moved and node.step in _RESTING]:
        return _with(rollout, going)
    if Step.RETURNED in steps and not steps & {Step.STOPPING, Step.RETURNING}:
        return _with(rollout, (replace(node, step=Step.STARTING) for node in wave if node.step is Step.RETURNED))
    return rollout if steps & BACKWARD else _next_wave(rollout)


def _wave(rollout: Rollout) -> tuple[Node, ...]:
    """Give the nodes of the wave that began last."""
    return tuple(node for node in rollout.nodes if node.wave == rollout.wave)


def _goes_back(rollout: Rollout) -> bool:
    """Whether the wave that began last is to go back: one of its nodes failed, in a rollout."""
    bad = BAD | BACKWARD | {Step.RETURNED}
    return rollout.orders.image != "" and any(node.step in bad for node in _wave(rollout))


def _turned(node: Node) -> Node:
    """Have a node go back."""
    why = node.reason if node.step is Step.FAILED else WITH_ITS_WAVE
    if not node.was:
        return replace(node, step=Step.STUCK, reason=f"{why}; it had no root before, so it stays on the new one")
    return replace(node, step=Step.RETURNING if node.off else Step.STOPPING, reason=why)


def _next_wave(rollout: Rollout) -> Rollout:
    """Begin the next wave, or end."""
    bad = [node for node in rollout.nodes if node.step in BAD]
    left = [node for node in rollout.nodes if node.step is Step.WAITING]
    if len(bad) >= (1 if rollout.orders.image else rollout.orders.failures):
        return replace(rollout, status=Status.STOPPED)
    if not left:
        return replace(rollout, status=Status.DONE)
    if rollout.cancelled:
        return replace(rollout, status=Status.CANCELLED)
    number = left[0].wave
    begun = (replace(node, step=Step.PREPARING) for node in left if node.wave == number)
    return _with(replace(rollout, wave=number), begun)


def _with(rollout: Rollout, nodes: Iterable[Node]) -> Rollout:
    changed = {node.slot: node for node in nodes}
    return replace(rollout, nodes=tuple(changed.get(node.slot, node) for node in rollout.nodes))


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
