"""The reading rule, judged exactly: probabilities are summed over all ways a session can go."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graped.core.agreement import FULL_RUN, MAX_READS, STEADY_RUN, Agreement, Verdict, settle
from graped.errors import PortUnsure

FLIP = 0.2
TRUE = 0xBD


def feed(verified: int | None, raws: list[int]) -> Agreement:
    session = Agreement(verified=verified)
    for raw in raws:
        session = session.feed(raw)
    return session


def ends(verified: int | None) -> tuple[dict[int, float], float]:
    """The exact probability of each counted value, and of no answer, where 20 % of reads carry one flipped bit."""
    reads = {TRUE: 1 - FLIP} | {TRUE ^ 1 << bit: FLIP / 8 for bit in range(8)}
    live = {Agreement(verified=verified): 1.0}
    counted: dict[int, float] = defaultdict(float)
    unsure = 0.0
    while live:
        following: dict[Agreement, float] = defaultdict(float)
        for session, probability in live.items():
            for raw, chance in reads.items():
                after = session.feed(raw)
                match after.verdict:
                    case Verdict.MORE:
                        following[after] += probability * chance
                    case Verdict.COUNTS:
                        assert after.value is not None
                        counted[after.value] += probability * chance
                    case Verdict.UNSURE:
                        unsure += probability * chance
        live = following
    return counted, unsure


@pytest.mark.parametrize("verified", [TRUE, None])
def test_noise_gives_the_true_value_or_no_answer(verified: int | None) -> None:
    counted, unsure = ends(verified)
    wrong = sum(chance for value, chance in counted.items() if value != TRUE)
    assert wrong < 1e-6
    assert counted[TRUE] > 0.98
    assert counted[TRUE] + wrong + unsure == pytest.approx(1.0)


def test_a_port_that_changed_by_one_bit_is_rarely_taken_for_what_it_was() -> None:
    counted, _ = ends(TRUE ^ 0x02)  # what was verified before is one flip away from what is now
    assert counted[TRUE ^ 0x02] < 1e-3
    assert counted[TRUE] > 0.98


def test_the_first_two_count_if_they_equal_the_verified_value() -> None:
    assert feed(0xFF, [0xFF]).verdict is Verdict.MORE
    assert feed(0xFF, [0xFF, 0xFF]).verdict is Verdict.COUNTS


def test_two_in_a_row_later_on_do_not_count() -> None:
    session = feed(0xFF, [0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
    assert session.verdict is Verdict.MORE
    assert session.feed(0xFF).verdict is Verdict.COUNTS


def moved(taken: list[int]) -> bool:
    """Whether the reads end in six of a value other than the first that stood three times in a row."""
    runs = [(value, len(list(run))) for value, run in groupby(taken)]
    first = next((value for value, length in runs if length >= STEADY_RUN), None)
    return runs[-1][1] >= FULL_RUN and runs[-1][0] != first


@example(raws=[0xFD] * 3 + [0xFF] * 6, verified=None)
@example(raws=[0xFD] * 3 + [0xFF] * 6, verified=0xBF)
@given(st.lists(st.sampled_from([0xFF, 0xFD, 0xBF]), max_size=MAX_READS + 10), st.sampled_from([None, 0xFF, 0xFD]))
def test_what_counts_was_read_often_enough(raws: list[int], verified: int | None) -> None:
    given_raws = iter(raws + list(range(MAX_READS)))  # ends in reads that never agree
    taken: list[int] = []

    def read() -> int:
        taken.append(next(given_raws))
        return taken[-1]

    try:
        value = settle(read, verified)
    except PortUnsure:
        assert len(taken) == MAX_READS or (verified is None and moved(taken))
        return
    assert verified is not None or not moved(taken)
    assert len(taken) <= MAX_READS
    quick = taken == [verified, verified]
    assert quick or taken[-FULL_RUN:] == [value] * FULL_RUN
    if not quick:  # and not one read too many
        runs = [taken[start : start + FULL_RUN] for start in range(len(taken) - FULL_RUN)]
        assert not any(len(set(run)) == 1 for run in runs)
        assert taken[:2] != [verified, verified]


@pytest.mark.parametrize("between", [[], [0xBC], [0xFF, 0xFF, 0xFF, 0xFB]])
def test_a_value_that_follows_another_steady_one_does_not_count_around_a_write(between: list[int]) -> None:
    """However often noise interrupts the new one: the port changed while it was read."""
    reads = iter([TRUE] * 3 + between + [0xFF] * 6)
    with pytest.raises(PortUnsure, match="changed while it was read"):
        settle(lambda: next(reads), None)


def test_a_value_that_noise_interrupts_still_counts_around_a_write() -> None:
    reads = iter([TRUE, TRUE, TRUE, 0xBC, TRUE, TRUE, TRUE, TRUE, 0xB9, *[TRUE] * 6])
    assert settle(lambda: next(reads), None) == TRUE
