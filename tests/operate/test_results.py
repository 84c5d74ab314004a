"""What nodes said, asked for piece by piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.api.remote_types import NodeError, NodeOutput
from graped.operate.remote import results
from graped.operate.remote.results import JOBS, Kept, Results

WHY = NodeError(code="cancelled", message="not begun")


def said(name: str, size: int = 1) -> NodeOutput:
    return NodeOutput(
        number=0, name=name, code=0, stdout="x" * size, stderr="", stdout_cut=False, stderr_cut=False, seconds=0.1
    )


@given(st.lists(st.integers(0, 3_000_000), max_size=12), st.integers(0, 12))
def test_asked_again_and_again_each_node_is_told_once(sizes: list[int], ran: int) -> None:
    names = tuple(f"n{number}" for number in range(len(sizes)))
    one = Results(names)
    for name, size in list(zip(names, sizes, strict=True))[:ran]:
        one.begin(name)
        one.add(said(name, size))
    one.close(WHY)
    told, last, ended = [], 0, False
    while not ended:
        answer = one.after(7, last)
        assert answer.nodes or answer.ended, "an answer brings something"
        told += answer.nodes
        last, ended = answer.last, answer.ended
    assert [node.name for node in told] == list(names)
    assert [node.number for node in told] == list(range(1, len(names) + 1))
    assert [node.error for node in told] == [None] * min(ran, len(names)) + [WHY] * max(0, len(names) - ran)


def test_what_comes_after_the_end_is_not_told() -> None:
    one = Results(("a", "b"))
    one.begin("a")
    assert not one.settled
    one.close(WHY)
    one.add(said("a"))
    assert [node.error for node in one.after(1, 0).nodes] == [WHY, WHY]


def test_an_end_is_known_with_the_last_node() -> None:
    one = Results(("a", "b"))
    one.add(said("b"))
    assert not one.after(1, 0).ended
    one.add(said("a"))
    assert one.after(1, 0).ended
    assert one.after(1, 99).ended, "a number from another life"


def test_the_last_jobs_are_kept_as_far_as_there_is_room() -> None:
    kept = Kept()
    for job in range(1, JOBS + 3):
        kept.keep(job, Results(()))
    assert [job for job in range(1, JOBS + 3) if kept.after(job, 0).kept] == list(range(3, JOBS + 3))
    large = Results(("a",))
    large.add(said("a", results.KEPT_BYTES + 1))
    kept.keep(99, large)
    assert kept.after(99, 0).kept, "the newest stays, however large"
    assert not kept.after(JOBS, 0).kept
