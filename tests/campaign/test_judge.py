"""Judge the judge: forged traces with each kind of violation, and honest ones without."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.campaign.evidence import Command, Evidence, History, Life, Outage, PolicySpan, Stuck, Verdict
from tests.campaign.judge import SURELY_VERIFIED, judge_bytes
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
from tests.campaign.wire import BIT_OF_SLOT, Line, changed_slots, is_on, lines_of, purpose_of

PORT = (0, 0x38)
SWITCH = "switch stack 0 for job 1"
OFF, A_ON, B_ON, BOTH_ON = 0xFF, 0xFD, 0xBF, 0xBD  # slots 0 and 1 of stack 0
STEP_S = 0.001


def flip(value: int, slot: int) -> int:
    return value ^ 1 << BIT_OF_SLOT[slot]


@dataclass
class Forger:
    """Writes traces of one port, a millisecond a line."""

    port: int = OFF
    now: float = 10.0
    lines: list[Line] = field(default_factory=list)
    commands: dict[int, Command] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=lambda: [Life(start=0.0, end=100.0)])
    outages: list[Outage] = field(default_factory=list)
    stuck: list[Stuck] = field(default_factory=list)

    def job(self, verb: str, *slots: int, number: int = 1, **more: float) -> Command:
        command = Command(
            id=number, verb=verb, slots=frozenset((0, slot) for slot in slots), asked=more.get("asked", self.now),
            ended=more.get("ended"),
        )  # fmt: skip
        self.commands[number] = command
        return command

    def line(
        self, op: str, data: int | None, after: int, *, result: str = "ok", by: str = SWITCH, fault: str = ""
    ) -> None:
        self.lines.append(
            Line(
                number=len(self.lines) + 1,
                t=self.now,
                place=PORT,
                op=op,
                data=data,
                result=result,
                by=by,
                before=self.port,
                after=after,
                fault=fault,
            )  # fmt: skip
        )
        self.port = after
        self.now += STEP_S

    def read(self, times: int = 6, *, false: int | None = None, by: str = SWITCH) -> Forger:
        for _ in range(times):
            data = self.port if false is None else false
            self.line("receive_byte", data, self.port, by=by, fault="" if false is None else "flip:1")
        return self

    def send(self, data: int, *, arrives: int | None = None, by: str = SWITCH, fault: str = "") -> Forger:
        arrived = data if arrives is None else arrives
        self.line("send_byte", data, arrived, by=by, fault=fault or ("" if arrived == data else "flip:1"))
        return self

    def lose_power(self) -> Forger:
        self.outages.append(Outage(t=self.now - STEP_S / 2, stack=0, port=self.port))
        self.port = OFF
        return self

    def wait(self, seconds: float) -> Forger:
        self.now += seconds
        return self

    def evidence(self, **more: object) -> Evidence:
        return Evidence(
            places={PORT: 0}, commands=self.commands, lives=self.lives, outages=self.outages, stuck=self.stuck,
            stagger_s=0.02, inrush_s=0.06, max_inrush=2, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def judged(self) -> Verdict:
        return judge_bytes(self.lines, self.evidence())

    def blamed(self) -> list[str]:
        return [one.what for one in self.judged().violations]


def asked(verb: str = "on", *slots: int, port: int = OFF) -> Forger:
    forger = Forger(port=port)
    forger.job(verb, *(slots or (0,)))
    return forger


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
    ).replace(" ", "", 3)
    (line,) = lines_of([text.replace('"address": ', '"address":')])
    verdict = judge_bytes([line], Forger().evidence())
    assert [one.what for one in verdict.violations] == ["a byte sent to where no port is known"]


# --- answers, jobs, outages, policies ---------------------------------------------------------------------


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
    forger = Forger(port=A_ON).read(reads, by="poll stack 0").wait(0.2).lose_power()
    found = judge_outages(forger.evidence(), Reads(forger.lines, forger.evidence()), told, 50.0)
    assert bool(found.violations) is blamed


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
    crashed = [type("C", (), {"stack": 0, "line": forger.lines[-1]})()]
    adopted = event("stack.adopted", 12.0, value=flip(A_ON, 3))
    assert judge_crashes(crashed, [adopted]).violations
    assert not judge_crashes(crashed, [adopted, event("port.changed_during_crash", 12.0, recorded=A_ON)]).violations
    assert not judge_crashes(crashed, []).violations, "nobody has looked yet"


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
