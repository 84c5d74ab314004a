"""Node sets: what a person writes, resolved against one snapshot. Nothing ever falls back to all.

``worker-0-[0-3]``, ``worker-*``, ``@all`` (configured nodes), ``@slots`` (every slot), ``@on``, ``@off``, ``@unknown``,
``@up``, ``@fault``, ``@empty`` (slots without a device), ``@stack:N`` (its configured nodes), ``@slots:N`` (its slots);
operators from left to right: ``,`` and, ``!`` without, ``&`` that are also, ``^`` in one of the two. The grammar is
ClusterShell's; groups come from the snapshot alone, never from files of the system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from graped.api.folding import fold
from graped.core.state import State
from graped.errors import BadNodeSet, NoTarget, UnknownNode
from graped.model import Power, SlotId, StackCondition, Stage

_CHAR = "[A-Za-z0-9_.*?-]"
_RANGE = "[0-9]{1,4}(?:-[0-9]{1,4}(?:/[1-9][0-9]{0,2})?)?"
_RANGES = rf"\[{_RANGE}(?:,{_RANGE})*\]"
_NAMES = rf"{_CHAR}+(?:{_RANGES}{_CHAR}+)*(?:{_RANGES})?"
_OPERAND = rf"(?:{_NAMES}|@[a-z]+(?::(?:{_NAMES}|{_RANGES}))?)"
PATTERN = rf"^{_OPERAND}(?:[,!&^]{_OPERAND})*$"
MAX_LENGTH = 4000  # that the parser is given; plain names with commas do not need it
MAX_OPERANDS = 64
MAX_NAMES = 5000  # what one expression may name; a cluster has some hundred

_WELL_FORMED = re.compile(PATTERN[:-1] + r"\Z")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_LONG_NUMBER = re.compile("[0-9]{10}")  # ClusterShell and int() have their limits
_OPERATORS = re.compile(r"[,!&^](?![^\[]*\])")

_GROUPS: dict[str, Callable[[State, SlotId], bool]] = {
    "all": lambda state, slot: configured(state, slot),
    "empty": lambda state, slot: not configured(state, slot),
    "fault": lambda state, slot: _faulty(state, slot),
    "off": lambda state, slot: state.slots[slot].observed is Power.OFF,
    "on": lambda state, slot: state.slots[slot].observed is Power.ON,
    "slots": lambda state, slot: True,
    "unknown": lambda state, slot: state.slots[slot].observed is Power.UNKNOWN,
    "up": lambda state, slot: state.slots[slot].stage is Stage.UP,
}


def resolve(state: State, expression: str) -> tuple[SlotId, ...]:
    """Find the slots that an expression names, in the order of stacks and slots; perhaps none.

    Raises: NoTarget (nothing written), BadNodeSet, UnknownNode.
    """
    text = expression.strip()
    if not text:
        raise NoTarget("no node was named", hint=_HINT)
    if not _WELL_FORMED.match(text):
        raise BadNodeSet(f"not a node set: {text[:80]!r}", hint=_HINT)
    by_name = names_of(state)
    parts = text.split(",")
    if not all(part in by_name for part in parts):  # the common case needs no parser
        parts = _expand(state, text)
    return named(state, parts)


def named(state: State, names: Iterable[str]) -> tuple[SlotId, ...]:
    """Find the slots of plain names, in the order of stacks and slots.

    Raises: UnknownNode, which names all that are unknown, folded, and what is near.
    """
    by_name = names_of(state)
    wanted = dict.fromkeys(names)
    unknown = [name for name in wanted if name not in by_name]
    if any(_LONG_NUMBER.search(name) for name in unknown):
        raise UnknownNode("no such node: a name with so long a number")
    if unknown:
        near = get_close_matches(unknown[0], by_name, n=1)
        hint = f"the nearest name is {near[0]}" if near else "`grapecli node list` shows every name"
        raise UnknownNode(f"no such node: {fold(unknown)[:400]}", hint=hint)
    return tuple(sorted(by_name[name] for name in wanted))


def targets(state: State, nodes: str | Sequence[str]) -> tuple[SlotId, ...]:
    """Find what a request is to work on: an expression, or names; at least one.

    Raises: NoTarget, BadNodeSet, UnknownNode.
    """
    slots = resolve(state, nodes) if isinstance(nodes, str) else named(state, nodes)
    if not slots:
        raise NoTarget(f"{nodes} names no node at the moment", status=409)
    return slots


def names_of(state: State) -> dict[str, SlotId]:
    """Every slot by the name of its node."""
    global _last
    config, slots, names = _last
    if config is not state.config or slots != state.slots.keys():
        names = {state.config.node_name(slot): slot for slot in state.slots}
        _last = (state.config, frozenset(state.slots), names)
    return names


def configured(state: State, slot: SlotId) -> bool:
    """Whether a device is configured for a slot."""
    stack = state.config.cluster.stacks.get(slot.stack)
    return stack is not None and slot.slot in stack.devices


_last: tuple[Any, frozenset[SlotId], dict[str, SlotId]] = (None, frozenset(), {})
_HINT = "write e.g. worker-0-[0-3] or @stack:0; no target never means all"


def _faulty(state: State, slot: SlotId) -> bool:
    stack = state.stacks.get(slot.stack)
    bad = (StackCondition.MISSING, StackCondition.UNKNOWN)
    return state.slots[slot].fault is not None or (stack is not None and stack.condition in bad)


def _expand(state: State, text: str) -> list[str]:
    """Let ClusterShell parse it, with groups of this snapshot only."""
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    operands = _OPERATORS.split(text[:MAX_LENGTH])
    if _LONG_NUMBER.search(text):
        raise UnknownNode(f"{text[:80]} names no node: no node has so long a number")
    if len(text) > MAX_LENGTH or len(operands) > MAX_OPERANDS or sum(map(_size, operands)) > MAX_NAMES:
        raise UnknownNode(f"{text[:80]}... names more than any cluster has", hint="write less, or plain names")
    try:
        return [str(name) for name in NodeSet(text, resolver=_resolver(state))]
    except (NodeSetException, AssertionError, ValueError) as error:  # well-formed, but e.g. a range that runs backwards
        raise UnknownNode(f"{text[:80]} names no node: {error}", hint=_HINT) from error


def _size(operand: str) -> int:
    """Count at most how many names an operand stands for, without making them."""
    size = 1
    for ranges in _BRACKETS.findall(operand):
        size *= sum(_span(part) for part in ranges.split(","))
    return size


def _span(part: str) -> int:
    first, _, last = part.partition("/")[0].partition("-")
    return abs(int(last or first) - int(first)) + 1


def _resolver(state: State) -> Any:
    from ClusterShell.NodeUtils import GroupResolver, GroupSource

    class Source(GroupSource):  # type: ignore[misc]
        """One kind of group, looked up in the snapshot."""

        def __init__(self, name: str, look_up: Callable[[State, str], Sequence[SlotId]]) -> None:
            super().__init__(name)
            self._look_up = look_up

        def resolv_map(self, group: str) -> list[str]:
            return [state.config.node_name(slot) for slot in self._look_up(state, group)]

        def resolv_all(self) -> list[str]:  # what * and ? are matched with
            return [state.config.node_name(slot) for slot in _of_group(state, "all")]

    resolver = GroupResolver(Source("grape", _of_group))
    resolver.add_source(Source("stack", lambda state, key: _of_stack(state, key, configured)))
    resolver.add_source(Source("slots", lambda state, key: _of_stack(state, key, _GROUPS["slots"])))
    return _Strict(resolver)


class _Strict:
    """A resolver that knows which groups there are; any other is unknown rather than empty."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolver, name)

    def group_nodes(self, group: str, namespace: str | None = None) -> Any:
        if namespace not in (None, "", "stack", "slots"):
            raise _no_group(f"@{namespace}:{group}")
        return self._resolver.group_nodes(group, namespace)


def _of_group(state: State, group: str) -> list[SlotId]:
    test = _GROUPS.get(group)
    if test is None:
        raise _no_group(f"@{group}")
    return [slot for slot in state.slots if test(state, slot)]


def _of_stack(state: State, key: str, test: Callable[[State, SlotId], bool]) -> list[SlotId]:
    if not key.isdigit() or int(key) not in state.stacks:
        raise UnknownNode(
            f"no such node: there is no stack {key}", hint=f"stacks are {', '.join(map(str, sorted(state.stacks)))}"
        )
    return [slot for slot in state.slots if slot.stack == int(key) and test(state, slot)]


def _no_group(group: str) -> UnknownNode:
    return UnknownNode(f"no such node group: {group}", hint=f"groups are @stack:N, @slots:N, @{', @'.join(_GROUPS)}")
