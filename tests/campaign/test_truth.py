"""Judge the judge of answers, jobs, outages and policies: honest ones pass, lies are found."""

from __future__ import annotations

import pytest

from tests.campaign.evidence import Command, Crashed, History, Outage, PolicySpan
from tests.campaign.forger import A_ON, B_ON, BOTH_ON, OFF, Forger, asked, flip
from tests.campaign.truth import (
    Reads,
    Said,
    Told,
    judge_answers,
    judge_calm,
    judge_crashes,
    judge_jobs,
    judge_outages,
    judge_policies,
)
from tests.campaign.wire import changed_slots, is_on, purpose_of


def history(*changes: tuple[float, bool]) -> History:
    told = History()
    for t, on in changes:
        told.note(t, (0, 0), on)
    return told


def said(observed: str, read_at: float | None, answered: float) -> Said:
    return Said(asked=answered - 0.001, answered=answered, slot=(0, 0), observed=observed, read_at=read_at)


def polled() -> Reads:
    """Reads at 10.0 to 10.005 (off), then from 20.0 on (on)."""
    forger = Forger().read(by="poll stack 0")
    forger.port, forger.now = A_ON, 20.0
    forger.read(by="poll stack 0")
    return Reads(forger.lines, forger.evidence())


@pytest.mark.parametrize(
    ("answer", "lie"),
    [
        (said("off", 10.005, 10.1), False),
        (said("off", 10.005, 15.0), False),  # it went on at 12, after this reading
        (said("unknown", None, 15.0), False),
        (said("on", 20.005, 20.1), False),
        (said("on", 10.005, 11.0), True),
        (said("off", 20.005, 20.1), True),
        (said("off", None, 20.1), True),
        (said("off", 5.0, 20.1), True),  # nobody read it by then
    ],
)
def test_an_answer_is_compared_with_the_truth_since_its_reading(answer: Said, lie: bool) -> None:
    verdict = judge_answers([answer], history((0.0, False), (12.0, True)), polled())
    assert bool(verdict.violations) is lie


def test_two_equal_flips_may_fool_a_poll_and_are_counted_apart() -> None:
    forger = Forger(port=A_ON).read(2, false=OFF, by="poll stack 0")
    verdict = judge_answers(
        [said("off", forger.now, forger.now)], history((0.0, True)), Reads(forger.lines, forger.evidence())
    )
    assert (verdict.violations, verdict.counts["said after two equal flips"]) == ([], 1)


def ended(verb: str, result: str, **more: float) -> Command:
    command = Command(id=1, verb=verb, slots=frozenset({(0, 0)}), asked=10.0, ended=more.get("ended", 11.0))
    command.results = {(0, 0): result}
    return command


@pytest.mark.parametrize(
    ("command", "changes", "blamed"),
    [
        (ended("on", "done"), [(0.0, False), (10.5, True)], False),
        (ended("on", "done"), [(0.0, False), (11.5, True)], True),
        (ended("off", "done"), [(0.0, True)], True),
        (ended("cycle", "done"), [(0.0, True), (10.2, False), (10.6, True)], False),
        (ended("cycle", "done"), [(0.0, True), (10.2, False)], True),
        (ended("cycle", "done"), [(0.0, True)], True),
        (ended("on", "failed"), [(0.0, False)], True),
        (ended("on", "cancelled"), [(0.0, False)], True),
        (ended("on", "superseded"), [(0.0, False)], False),
        (ended("on", "interrupted"), [(0.0, False)], False),
    ],
)
def test_a_job_that_calls_itself_done_was_done(
    command: Command, changes: list[tuple[float, bool]], blamed: bool
) -> None:
    assert bool(judge_jobs([command], history(*changes), frozenset()).violations) is blamed


def test_a_cancelled_job_needs_somebody_who_cancelled_it() -> None:
    command = ended("on", "cancelled")
    assert judge_jobs([command], history((0.0, False)), frozenset({1})).violations == []


@pytest.mark.parametrize(("answer", "truth", "lies"), [("on", True, 0), ("off", True, 1), ("unknown", True, 1)])
def test_in_a_calm_answers_are_the_truth(answer: str, truth: bool, lies: int) -> None:
    verdict = judge_calm({(0, 0): truth}, [said(answer, 1.0, 2.0)], (), frozenset(), 2.0)
    assert len(verdict.violations) == lies


def test_in_a_calm_slots_are_as_the_last_job_left_them() -> None:
    command = ended("on", "done")
    assert judge_calm({(0, 0): False}, (), [command], frozenset(), 2.0).violations
    assert not judge_calm({(0, 0): True}, (), [command], frozenset(), 2.0).violations
    assert not judge_calm({(0, 0): False}, (), [command], frozenset({(0, 0)}), 2.0).violations, "it had an outage"


def event(kind: str, t: float, **fields: object) -> Told:
    return Told(id=1, t=t, kind=kind, stack=0, fields=fields)


@pytest.mark.parametrize(
    ("reads", "told", "blamed"),
    [
        (20, [], True),
        (20, [event("power.changed_by_itself", 11.0)], False),
        (20, [event("port.changed_during_crash", 12.0)], False),
        (20, [event("power.changed_by_itself", 9.0)], True),
        (3, [], False),  # graped never knew that they were on
    ],
)
def test_an_outage_that_could_be_seen_is_told(reads: int, told: list[Told], blamed: bool) -> None:
    forger = Forger(port=A_ON).read(reads, by="poll stack 0").wait(0.2).lose_power().read(by="poll stack 0")
    found = judge_outages(forger.evidence(), Reads(forger.lines, forger.evidence()), told, 50.0)
    assert bool(found.violations) is blamed


def test_an_outage_that_a_byte_on_its_way_undid_could_not_be_seen() -> None:
    forger = asked("on", 1, port=A_ON).read(20).wait(0.2).lose_power().send(BOTH_ON).read()
    found = judge_outages(forger.evidence(), Reads(forger.lines, forger.evidence()), [], 50.0)
    assert (found.violations, found.counts["outages that could not be seen"]) == ([], 1)


@pytest.mark.parametrize(
    ("policy", "dark", "wanted", "blamed"),
    [
        ("restore", True, True, False),
        ("restore", True, False, True),
        ("restore", False, True, True),
        ("on", True, True, True),  # what was configured is restore
    ],
)
def test_a_policy_acts_only_where_it_may(policy: str, dark: bool, wanted: bool, blamed: bool) -> None:
    forger = Forger()
    forger.job("on" if wanted else "off", 0, asked=5.0)
    act = forger.job("on", 0, number=2, asked=20.0)
    act.by = f"policy {policy} after an outage of stack 0"
    if dark:
        forger.outages.append(Outage(t=19.9, stack=0, port=A_ON))
    evidence = forger.evidence(policies=[PolicySpan(t=0.0, policy="adopt"), PolicySpan(t=15.0, policy="restore")])
    found = judge_policies(evidence, history((0.0, False), (2.0, True), (4.0, False)), ())
    assert bool(found.violations) is blamed


def test_what_a_kill_left_changed_is_told_by_the_next_life() -> None:
    forger = asked().read().send(A_ON, arrives=flip(A_ON, 3))
    crashed = [Crashed(stack=0, line=forger.lines[-1])]
    adopted = event("stack.adopted", 12.0, value=flip(A_ON, 3))
    assert judge_crashes(crashed, [adopted]).violations
    assert not judge_crashes(crashed, [adopted, event("port.changed_during_crash", 12.0, recorded=A_ON)]).violations
    assert not judge_crashes(crashed, []).violations, "nobody has looked yet"


def test_what_a_life_told_before_it_was_killed_need_not_be_told_again() -> None:
    forger = asked().read().send(A_ON, arrives=flip(A_ON, 3))
    crashed = [Crashed(stack=0, line=forger.lines[-1])]
    adopted = event("stack.adopted", 12.0, value=flip(A_ON, 4))
    told = event("power.changed_by_itself", 11.0, value=flip(A_ON, 3))
    other = event("power.changed_by_itself", 11.0, value=flip(A_ON, 5))
    assert not judge_crashes(crashed, [told, adopted]).violations
    assert judge_crashes(crashed, [other, adopted]).violations
    assert judge_crashes(crashed, [adopted, told]).violations, "too late: another life had looked"


# --- the alphabet -----------------------------------------------------------------------------------------


def test_bits_and_words_are_read_as_the_board_has_them() -> None:
    assert [slot for slot in range(6) if is_on(0x81, slot)] == [0, 1, 2, 3, 4, 5]
    assert changed_slots(OFF, BOTH_ON) == {0: True, 1: True}
    assert changed_slots(A_ON, B_ON) == {0: False, 1: True}
    purpose = purpose_of("repair stack 4 for job 12,13")
    assert purpose is not None
    assert (purpose.stack, purpose.jobs) == (4, (12, 13))
    assert purpose_of("poll stack 4") is None
    assert purpose_of("switch stack 4 for job 12 and more") is None
