"""Chores come, move and end: once, whatever is told of them in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.config.types import Config
from graped.core.chore import Chore, ChoreKind, Failure
from graped.core.chores import KEPT_CHORES
from graped.core.effects import CancelChore, Effect, Log, SaveChore
from graped.core.events import CancelAsked, ChoreBegun, ChoreEnded, ChoreMoved, ChoreNodeEnded, Event, PowerAsked
from graped.core.jobs import Outcome, Result
from graped.core.state import Remembered, State
from graped.core.step import initial, step
from graped.model import SlotId, Verb
from graped.work import Progress
from tests.core.world import make_config

SLOTS = (SlotId(0, 0), SlotId(0, 1), SlotId(0, 2))
LAYOUTS = {0: frozenset(range(6))}


def start(config: Config | None = None) -> State:
    return initial(config or make_config((0,)), Remembered(), layouts=LAYOUTS, next_job=5)


def after(state: State, *events: Event) -> tuple[State, list[Effect]]:
    effects: list[Effect] = []
    for number, event in enumerate(events):
        state, more = step(state, event, 100.0 + number)
        effects += more
    return state, effects


def begun(number: int = 5, kind: ChoreKind = ChoreKind.NODE_SET, slots: tuple[SlotId, ...] = SLOTS) -> ChoreBegun:
    return ChoreBegun(chore=number, kind=kind, subject="bookworm", by="uid 0", slots=slots, request_id="r1")


def kinds(effects: list[Effect]) -> list[str]:
    return [effect.kind for effect in effects if isinstance(effect, Log)]


def test_a_chore_takes_the_next_job_id_and_a_power_job_the_one_after() -> None:
    state, effects = after(start(), begun())
    assert (state.next_job, state.chores[5].outcome, state.chores[5].request_id) == (6, Outcome.QUEUED, "r1")
    assert kinds(effects) == ["node.set.begun"]
    assert [effect.chore.id for effect in effects if isinstance(effect, SaveChore)] == [5]
    state, _ = after(state, PowerAsked(job=6, verb=Verb.ON, slots=SLOTS[:1], by="uid 0"))
    assert (set(state.jobs), set(state.chores), state.next_job) == ({6}, {5}, 7)


def test_an_id_that_was_given_out_is_not_given_again() -> None:
    state, _ = after(start(), PowerAsked(job=5, verb=Verb.ON, slots=SLOTS[:1], by="uid 0"), begun(5))
    assert state.chores == {}


def test_progress_is_seen_but_wears_no_disk() -> None:
    state, _ = after(start(), begun())
    further, effects = after(state, ChoreMoved(chore=5, progress=Progress(phase="copy", done=3), slot=SLOTS[1]))
    assert further.revision > state.revision
    assert further.chores[5].outcome is Outcome.RUNNING
    assert [further.chores[5].nodes[slot].begun for slot in SLOTS] == [False, True, False]
    assert effects == []
    same, _ = after(further, ChoreMoved(chore=5, progress=Progress(phase="copy", done=3), slot=SLOTS[1]))
    assert same.revision == further.revision


def test_some_nodes_failed() -> None:
    state, effects = after(
        start(),
        begun(),
        ChoreNodeEnded(chore=5, slot=SLOTS[0], result=Result.DONE, reason="bookworm@3f"),
        ChoreNodeEnded(chore=5, slot=SLOTS[1], result=Result.FAILED, reason="no space"),
        ChoreNodeEnded(chore=5, slot=SLOTS[1], result=Result.DONE),
        ChoreEnded(chore=5, outcome=Outcome.DONE),
    )
    chore = state.chores[5]
    assert chore.outcome is Outcome.WITH_ERRORS
    assert [chore.nodes[slot].result for slot in SLOTS] == [Result.DONE, Result.FAILED, Result.DONE]
    assert kinds(effects) == ["node.set.begun", "node.set.failed", "node.set.completed_with_errors"]
    assert [e.message for e in effects if isinstance(e, Log)][1] == "worker-0-1: node.set failed: no space"


def test_a_failure_is_told_with_its_reason_and_falls_on_the_nodes_that_wait() -> None:
    failure = Failure(code="no_space", message="the disk is full", hint="make room")
    state, effects = after(start(), begun(), ChoreEnded(chore=5, outcome=Outcome.FAILED, failure=failure))
    assert {node.result for node in state.chores[5].nodes.values()} == {Result.FAILED}
    assert state.chores[5].failure == failure
    last = effects[-1]
    assert isinstance(last, Log)
    assert last.message == "job 5: node.set of bookworm is failed (the disk is full)"
    assert last.fields["hint"] == "make room"


def test_a_cancel_is_passed_on_once() -> None:
    asked = CancelAsked(job=5, by="uid 7")
    state, effects = after(start(), begun(), asked, asked)
    assert [effect for effect in effects if isinstance(effect, CancelChore)] == [CancelChore(chore=5)]
    assert state.chores[5].cancelled_by == "uid 7"
    assert state.chores[5].ended is None
    state, effects = after(state, ChoreEnded(chore=5, outcome=Outcome.CANCELLED), asked)
    assert state.chores[5].outcome is Outcome.CANCELLED
    assert not any(isinstance(effect, CancelChore) for effect in effects)


def test_old_chores_are_forgotten_open_ones_are_not() -> None:
    state, _ = after(start(), begun(5))
    for number in range(6, 6 + KEPT_CHORES + 10):
        state, _ = after(state, begun(number), ChoreEnded(chore=number, outcome=Outcome.DONE))
    assert len(state.chores) == KEPT_CHORES + 1
    assert 5 in state.chores


told = st.one_of(
    st.builds(ChoreMoved, chore=st.integers(4, 8), progress=st.just(Progress(phase="x")), slot=st.sampled_from(SLOTS)),
    st.builds(
        ChoreNodeEnded, chore=st.integers(4, 8), slot=st.sampled_from((*SLOTS, SlotId(0, 5))),
        result=st.sampled_from(Result),
    ),
    st.builds(ChoreEnded, chore=st.integers(4, 8), outcome=st.sampled_from(Outcome), result=st.just("made")),
    st.builds(CancelAsked, job=st.integers(4, 8), by=st.just("uid 1")),
    st.builds(begun, st.integers(4, 8), st.sampled_from(ChoreKind)),
)  # fmt: skip


@given(st.lists(told, max_size=40))
def test_a_chore_ends_once_and_then_never_changes(events: list[Event]) -> None:
    state = start()
    ended: dict[int, Chore] = {}
    told_ends: list[int] = []
    for number, event in enumerate(events):
        before = state
        state, effects = step(state, event, 100.0 + number)
        assert {number: state.chores[number] for number in ended} == ended
        for chore in state.chores.values():
            old = before.chores.get(chore.id)
            assert chore.outcome.ended is (chore.ended is not None)
            assert chore is old or chore == old or state.revision > before.revision
            if chore.ended is not None:
                assert all(node.result for node in chore.nodes.values())
                if chore.id not in ended:
                    told_ends.append(chore.id)
                    assert any(isinstance(effect, SaveChore) and effect.chore == chore for effect in effects)
                ended[chore.id] = chore
        assert state.next_job > max(state.chores, default=0)
    assert len(told_ends) == len(set(told_ends))
