"""Judge the judge of bytes: forged traces with each kind of violation, and honest ones without."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.campaign.evidence import Life, Stuck
from tests.campaign.forger import A_ON, B_ON, BOTH_ON, OFF, SWITCH, Forger, asked, flip
from tests.campaign.judge import SURELY_VERIFIED, judge_bytes
from tests.campaign.wire import lines_of

# --- what is fine -----------------------------------------------------------------------------------------


def test_a_switch_as_it_should_be() -> None:
    verdict = asked().read().send(A_ON).read().judged()
    assert verdict.violations == []
    assert verdict.counts["slots switched as asked"] == 1


def test_a_cycle_goes_off_and_on() -> None:
    assert asked("cycle", port=A_ON).read().send(OFF).read().wait(0.1).read().send(A_ON).read().blamed() == []


def test_an_exact_repair_is_counted_apart() -> None:
    verdict = asked().read().send(A_ON, arrives=flip(A_ON, 3)).read().send(A_ON).read().judged()
    assert verdict.violations == []
    assert verdict.counts["slots repaired"] == 1
    assert verdict.counts["bytes that switched another slot on their way"] == 1


def test_a_repair_may_be_lost_or_flipped_too() -> None:
    forger = asked().read().send(A_ON, arrives=flip(A_ON, 3)).read()
    forger.line("send_byte", A_ON, forger.port, result="nack", fault="nack")
    forger.read().send(A_ON, arrives=flip(A_ON, 4)).read().send(A_ON).read()
    assert forger.blamed() == []


def test_a_flip_that_leaves_everything_as_it_was_needs_no_repair() -> None:
    forger = asked().read().send(A_ON, arrives=flip(A_ON, 3)).read().send(A_ON, arrives=OFF).read()
    assert forger.blamed() == []


def test_what_an_outage_switched_off_counts_to_no_stagger() -> None:
    forger = asked("on", 0, 1).read().send(A_ON).read(1).lose_power().read().send(B_ON).read()
    assert forger.blamed() == []


def test_a_change_between_read_and_byte_is_counted_apart() -> None:
    verdict = asked("off", 1, port=BOTH_ON).read().lose_power().send(A_ON).read().judged()
    assert verdict.violations == []
    assert verdict.counts["changed between read and byte"] == 1


def test_a_byte_that_was_killed_before_its_repair_is_counted_apart() -> None:
    forger = asked().read().send(A_ON, arrives=flip(A_ON, 3))
    forger.lives = [Life(start=0.0, end=forger.now + 0.01, killed=True), Life(start=forger.now + 0.02)]
    verdict = forger.wait(1.0).read(by="poll stack 0").judged()
    assert verdict.violations == []
    assert verdict.counts["changed on its way, then killed"] == 1


def test_the_last_frame_of_a_dead_graped_may_wait_for_the_bus() -> None:
    forger = asked().read()
    forger.lives = [Life(start=0.0, end=forger.now, killed=True), Life(start=forger.now + 0.05)]
    verdict = forger.wait(0.1).send(A_ON, arrives=flip(A_ON, 3)).wait(1.0).read(by="poll stack 0").judged()
    assert verdict.violations == []
    assert verdict.counts["changed on its way, then killed"] == 1


def test_a_held_pin_may_look_like_a_flipped_bit() -> None:
    forger = asked("off", 1, port=BOTH_ON).read().send(A_ON)
    forger.port = flip(A_ON, 4)
    forger.read().send(A_ON)
    assert forger.blamed() != []
    forger.stuck.append(Stuck(since=0.0, until=100.0, stack=0))
    assert forger.blamed() == []


# --- what is not ------------------------------------------------------------------------------------------


def unasked(forger: Forger) -> Forger:
    return forger.read().send(flip(A_ON, 2))


def wrong_direction(forger: Forger) -> Forger:
    forger.job("off", 0)
    return forger.read().send(A_ON)


def other_jobs_slot(forger: Forger) -> Forger:
    forger.job("on", 1, number=2)
    return forger.read().send(B_ON)  # by job 1, which has slot 0


def before_it_was_asked(forger: Forger) -> Forger:
    forger.job("on", 0, asked=forger.now + 1)
    return forger.read().send(A_ON)


def long_after_its_end(forger: Forger) -> Forger:
    forger.job("on", 0, ended=forger.now)
    return forger.wait(1.5).read().send(A_ON)


def of_another_life(forger: Forger) -> Forger:
    forger.lives = [Life(start=0.0, end=10.05, killed=True), Life(start=10.1)]
    return forger.wait(0.5).read().send(A_ON)


def nobody(forger: Forger) -> Forger:
    return forger.read(by="poll stack 0").send(A_ON, by="poll stack 0")


def another_stack(forger: Forger) -> Forger:
    by = "switch stack 1 for job 1"
    return forger.read(by=by).send(A_ON, by=by)


def unread(forger: Forger) -> Forger:
    return forger.read(5).send(A_ON)


def read_by_others(forger: Forger) -> Forger:
    return forger.read(by="poll stack 0").send(A_ON)


def reads_that_disagree(forger: Forger) -> Forger:
    return forger.read(5).read(1, false=B_ON).send(A_ON)


def flipped_read(forger: Forger) -> Forger:
    return forger.read(false=B_ON).send(BOTH_ON)


def for_nothing(forger: Forger) -> Forger:
    return forger.read().send(OFF)


def other_byte_than_in_flight(forger: Forger) -> Forger:
    forger.job("on", 1, number=2)
    forger.read().send(A_ON, arrives=flip(A_ON, 3))
    by = "switch stack 0 for job 2"
    return forger.read(by=by).send(flip(BOTH_ON, 3), by=by)


def repair_of_nothing(forger: Forger) -> Forger:
    forger.job("off", 1)
    forger.port = BOTH_ON
    forger.read().send(A_ON).read(8)
    forger.port = flip(A_ON, 3)  # somebody switched slot 3 on
    return forger.read().send(A_ON)


def never_repaired(forger: Forger) -> Forger:
    return forger.read().send(A_ON, arrives=flip(A_ON, 3)).read()


def restored_without_a_policy(forger: Forger) -> Forger:
    forger.read().send(A_ON).read(SURELY_VERIFIED).lose_power()
    return forger.read().send(A_ON)


def two_at_once(forger: Forger) -> Forger:
    forger.job("on", 0, 1)
    return forger.read().send(BOTH_ON)


def too_soon(forger: Forger) -> Forger:
    forger.job("on", 0, 1)
    return forger.read().send(A_ON).read().send(BOTH_ON)


def too_many(forger: Forger) -> Forger:
    forger.job("on", 0, 1, 2)
    forger.read().send(A_ON).read().wait(0.015).send(BOTH_ON)
    return forger.read().wait(0.015).read().send(flip(BOTH_ON, 2))


@pytest.mark.parametrize(
    ("forge", "blame"),
    [
        (unasked, "slot 2 of stack 0 is switched on, unasked"),
        (wrong_direction, "slot 0 of stack 0 is switched on, unasked"),
        (other_jobs_slot, "slot 1 of stack 0 is switched on, unasked"),
        (before_it_was_asked, "slot 0 of stack 0 is switched on, unasked"),
        (long_after_its_end, "slot 0 of stack 0 is switched on, unasked"),
        (of_another_life, "slot 0 of stack 0 is switched on, unasked"),
        (nobody, "a byte that nobody asked for"),
        (another_stack, "a byte that nobody asked for"),
        (unread, "a byte without six reads before it"),
        (read_by_others, "a byte without six reads before it"),
        (reads_that_disagree, "a byte after reads that disagree"),
        (flipped_read, "a flipped read led to a write"),
        (for_nothing, "a byte for nothing: the port showed it already"),
        (other_byte_than_in_flight, "a byte arrived changed (line 7) and another one was sent"),
        (repair_of_nothing, "slot 3 of stack 0 is switched off, unasked"),
        (never_repaired, "a byte arrived changed and was never repaired"),
        (restored_without_a_policy, "job 1 had switched slot 0 on already"),
        (two_at_once, "slots [0, 1] of stack 0 are switched on by one byte"),
        (too_soon, "(0, 1) came on 0.0070 s after (0, 0)"),
        (too_many, "3 slots are in their inrush window"),
    ],
)
def test_a_forged_byte_is_found(forge: Callable[[Forger], Forger], blame: str) -> None:
    forger = asked()
    found = forge(forger).blamed()
    assert any(one.startswith(blame) for one in found), found


@pytest.mark.parametrize("op", ["write_byte_data", "read_byte_data", "quick", "write_word_data"])
def test_anything_but_a_byte_alone_is_found(op: str) -> None:
    forger = asked()
    forger.line(op, 0, OFF, by="poll stack 0")
    assert forger.blamed() == [f"{op} at a power port's address"]


def test_a_byte_to_where_no_port_is_is_found() -> None:
    text = json.dumps(
        {"t": 1.0, "bus": 1, "address": 0x3F, "op": "send_byte", "data": 1, "result": "nack", "by": SWITCH}
    )
    (line,) = lines_of([text])
    verdict = judge_bytes([line], Forger().evidence())
    assert [one.what for one in verdict.violations] == ["a byte sent to where no port is known"]
