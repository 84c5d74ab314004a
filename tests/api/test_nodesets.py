"""Node sets: groups, operators, folding, and that nothing ever means all by accident."""

from __future__ import annotations

import asyncio
import time

import pytest
from ClusterShell.NodeSet import NodeSet
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.api.folding import fold
from graped.api.nodesets import PATTERN, named, resolve
from graped.core.state import State
from graped.errors import BadNodeSet, NoTarget, UnknownNode
from graped.model import SlotId, Stage, Verb
from tests.api.rack import Rack


async def _state() -> State:
    """Slots 0 and 1 of stack 0 are on, node 0 is up, and stack 2 does not answer."""
    from tests.api.rack import config_of

    rack = Rack(config_of(stacks=3))
    job = await rack.ask_power(Verb.ON, (SlotId(0, 0), SlotId(0, 1)), by="test")
    async with asyncio.timeout(20):
        while rack.state.jobs[job.id].ended is None:
            await rack.engine.changed(rack.state.revision, 1.0)
    rack.stage(0, 0, Stage.UP)
    rack.lose(2)
    return rack.state


@pytest.fixture(scope="module")
def state() -> State:
    return asyncio.run(_state())


@pytest.mark.parametrize(
    ("expression", "folded"),
    [
        ("worker-0-1", "worker-0-1"),
        ("worker-0-[0-2],worker-1-5", "worker-0-[0-2],worker-1-5"),
        ("worker-0-[0-5/2]", "worker-0-[0,2,4]"),
        ("@all", "worker-[0-2]-[0-4]"),
        ("@slots", "worker-[0-2]-[0-5]"),
        ("@empty", "worker-[0-2]-5"),
        ("@stack:1", "worker-1-[0-4]"),
        ("@stack:[0-1]", "worker-[0-1]-[0-4]"),
        ("@slots:1", "worker-1-[0-5]"),
        ("@slots:0!@stack:0", "worker-0-5"),
        ("@on", "worker-0-[0-1]"),
        ("@up", "worker-0-0"),
        ("@unknown", "worker-2-[0-5]"),
        ("@fault", "worker-2-[0-5]"),
        ("@off&@stack:0", "worker-0-[2-4]"),
        ("@stack:0!@on", "worker-0-[2-4]"),
        ("@on^worker-0-[1-2]", "worker-0-[0,2]"),
        ("worker-1-*", "worker-1-[0-4]"),
        ("worker-?-0", "worker-[0-2]-0"),
        ("@on&@off", ""),
        (" worker-0-1 ", "worker-0-1"),
    ],
)
def test_an_expression_names_these(state: State, expression: str, folded: str) -> None:
    assert fold(state.config.node_name(slot) for slot in resolve(state, expression)) == folded


@pytest.mark.parametrize("expression", ["", "  "])
def test_nothing_written_is_no_target(state: State, expression: str) -> None:
    with pytest.raises(NoTarget):
        resolve(state, expression)


@pytest.mark.parametrize(
    "expression",
    ["worker-0-[", "worker-0-[0-", "a b", ",", "worker-0-1,", "@", "!@on", "worker-0-[0][1]", "a;b", "é"],
)
def test_bad_syntax_is_said(state: State, expression: str) -> None:
    with pytest.raises(BadNodeSet):
        resolve(state, expression)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("worker-0-[4-7],worker-9-0", r"worker-0-\[6-7\],worker-9-0"),
        ("@nope", "@nope"),
        ("@slurm:x", "@slurm:x"),
        ("@stack:9", "stack 9"),
        ("worker-0-[3-1]", "3-1"),
        ("worker-[0-9999]-[0-9999]", "names more"),
        ("worker-0-" + "1" * 3000, "long a number"),
    ],
)
def test_unknown_names_are_named(state: State, expression: str, told: str) -> None:
    with pytest.raises(UnknownNode, match=told):
        resolve(state, expression)


def test_a_typo_shows_the_nearest(state: State) -> None:
    with pytest.raises(UnknownNode) as raised:
        resolve(state, "wroker-1-3")
    assert "worker-1-3" in raised.value.hint


def test_names_of_a_plan_are_not_parsed(state: State) -> None:
    assert named(state, ["worker-1-2", "worker-0-3", "worker-1-2"]) == (SlotId(0, 3), SlotId(1, 2))
    with pytest.raises(UnknownNode):
        named(state, ["@all"])


_LAST = ["0", "1", "2", "3", "9", "10", "11", "007", "008", "09", "end"]
_name = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["worker-", "pi", "a-1-"]),
    st.integers(0, 20),
    st.sampled_from(["-", "x"]),
    st.sampled_from(_LAST),
)
_names = st.lists(_name, max_size=30)


@given(_names)
def test_clustershell_expands_what_is_folded(names: list[str]) -> None:
    assert set(NodeSet(fold(names))) == set(names)


@settings(max_examples=20, deadline=None)
@given(st.from_regex(PATTERN, fullmatch=True))
def test_what_the_pattern_allows_is_never_bad_syntax(state: State, expression: str) -> None:
    try:
        found = resolve(state, expression)
    except UnknownNode:
        return
    assert set(found) <= set(state.slots)


@pytest.mark.parametrize(
    "expression",
    [
        "*[0-999]*[0-4]",
        ",".join(["*"] * 1900),
        "@all," * 600 + "@on",
        "1" * 9 + "[0-4000]",
        "a[0]" * 15_000 + ";",
        "a" * 60_000 + ";",
    ],
)
def test_no_expression_holds_up_the_daemon(state: State, expression: str) -> None:
    began = time.process_time()
    try:
        resolve(state, expression)
    except (BadNodeSet, UnknownNode):
        pass
    assert time.process_time() - began < 2


def test_a_digit_that_is_no_number_is_a_letter(state: State) -> None:
    with pytest.raises(UnknownNode, match="worker-³"):
        named(state, ["worker-³", "x²-1"])
