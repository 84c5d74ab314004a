"""When a node is asked by SSH, and what its silence or its key means."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from graped.core.state import SlotState
from graped.model import Power, SlotId, Stage
from graped.provision.pulse import BOOTING_S, DOUBT_S, LIVING_S, LOST_AFTER, Answer, Pulse

A = SlotId(0, 0)
ALIVE = Answer(banner="SSH-2.0-OpenSSH_9.2", trusted=True)
SILENT = Answer(error="no answer within 2 s")
OTHER = Answer(banner="SSH-2.0-OpenSSH_9.2", trusted=False)


def slot(stage: Stage | None, power: Power = Power.ON) -> dict[SlotId, SlotState]:
    return {A: SlotState(observed=power, stage=stage)}


def test_a_booting_node_is_asked_again_at_once_until_it_answers() -> None:
    pulse, state, now = Pulse(), slot(Stage.ROOT), 100.0
    for _ in range(3):
        assert pulse.due(state, [A], now) == (A,)
        assert pulse.heard(A, Stage.ROOT, SILENT, now) is None
        assert pulse.due(state, [A], now + BOOTING_S / 2) == ()
        now += BOOTING_S
    seen = pulse.heard(A, Stage.ROOT, ALIVE, now)
    assert seen is not None
    assert (seen.stage, seen.evidence) == (Stage.UP, "SSH-2.0-OpenSSH_9.2")


def test_a_node_that_loads_is_not_asked_and_soon_once_its_kernel_runs() -> None:
    pulse = Pulse()
    pulse.heard(A, Stage.POWERED, SILENT, 100.0)
    assert pulse.due(slot(Stage.TFTP), [A], 200.0) == ()
    assert pulse.due(slot(Stage.KERNEL), [A], 101.0) == (A,)


def test_a_node_with_its_own_disk_is_asked_as_often_from_its_power_on_until_it_is_late() -> None:
    pulse, state = Pulse(), slot(Stage.POWERED)
    pulse.heard(A, Stage.POWERED, SILENT, 100.0)
    assert pulse.due(state, [A], 100.0 + BOOTING_S) == ()
    assert pulse.due(state, [A], 100.0 + BOOTING_S, {A}) == (A,)
    late = {A: replace(state[A], late="does not answer by SSH")}
    assert pulse.due(late, [A], 100.0 + DOUBT_S - 0.1, {A}) == ()
    assert pulse.due(late, [A], 100.0 + DOUBT_S, {A}) == (A,)


def test_who_answers_in_vain_is_not_asked_often() -> None:
    """OpenSSH 9.8 shuts out who connects often and does not log in."""
    for answer in (OTHER, Answer(banner="SSH-2.0-x"), Answer(error="SSH broke off", in_vain=True)):
        pulse = Pulse()
        pulse.heard(A, Stage.ROOT, answer, 100.0)
        assert pulse.due(slot(Stage.ROOT), [A], 100.0 + DOUBT_S - 0.1) == ()
        assert pulse.due(slot(Stage.ROOT), [A], 100.0 + DOUBT_S) == (A,)
        pulse.forget(A)
        assert pulse.due(slot(Stage.ROOT), [A], 100.1) == (A,), "its pinned key is another one"


def test_one_missed_answer_is_no_death_three_in_a_row_are() -> None:
    pulse = Pulse()
    answers = [SILENT, SILENT, ALIVE, *[SILENT] * (LOST_AFTER - 1)]
    assert all(pulse.heard(A, Stage.UP, answer, 10.0 * n) is None for n, answer in enumerate(answers))
    seen = pulse.heard(A, Stage.UP, SILENT, 90.0)
    assert seen is not None
    assert (seen.stage, seen.evidence) == (Stage.LOST, "SSH: no answer within 2 s")


def test_a_living_node_is_asked_seldom() -> None:
    pulse, state = Pulse(), slot(Stage.UP)
    pulse.heard(A, Stage.UP, ALIVE, 100.0)
    assert pulse.due(state, [A], 100.0 + LIVING_S - 0.1) == ()
    assert pulse.due(state, [A], 100.0 + LIVING_S) == (A,)


def test_a_node_that_is_off_is_not_asked_and_forgotten() -> None:
    pulse = Pulse()
    pulse.heard(A, Stage.UP, ALIVE, 100.0)
    assert pulse.due(slot(Stage.OFF, Power.OFF), [A], 100.0) == ()
    assert pulse.due(slot(None), [A], 100.0) == (A,)  # on again: asked at once


@given(st.sampled_from([None, *Stage]), st.lists(st.sampled_from([SILENT, OTHER, Answer(banner="SSH-2.0-x")])))
def test_nothing_but_the_pinned_key_is_ever_up(stage: Stage | None, answers: list[Answer]) -> None:
    pulse = Pulse()
    for number, answer in enumerate(answers):
        seen = pulse.heard(A, stage, answer, float(number))
        assert seen is None or seen.stage is not Stage.UP or stage is Stage.UP


def test_a_strange_key_is_told_once() -> None:
    pulse = Pulse()
    told = [pulse.heard(A, Stage.ROOT, OTHER, float(n)) for n in range(5)]
    assert [seen.evidence for seen in told if seen] == ["SSH answers with a host key that is not the pinned one"]
