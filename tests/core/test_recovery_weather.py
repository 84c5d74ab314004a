"""Recovery in all weathers: nodes that hang, flap, are dead or slow, and outages of ours of any length.

What must hold whatever happens: never more cycles than allowed; nothing is cycled for an outage of ours; every node
that can come back does; each decision stands in the log with its evidence. The last tests break the policy and see to
it that the judge notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from graped.config.types import RecoveryMode, RecoveryPolicy
from graped.core import recovery, recovery_case
from graped.core.recovery_hold import Proof
from graped.model import SlotId, Stage, Verb
from tests.core.recovery_world import POLICY, Farm, Kind, Nature, Outage

STACKS = (0, 1)
HOUR_S = 3600.0
AFTER_S = 1200.0  # until then nodes begin to hang
SLICE_S = 120.0
QUIET_S = 2.5 * HOUR_S  # three cycles, two of them perhaps in the next hour, and their pauses
SLOWEST = 6.0  # a boot of such a node takes as long as the last pause

hanging = st.builds(
    Nature,
    hangs=st.sampled_from((1, 1, 2, 3, 4, 50)),
    after_s=st.floats(1, AFTER_S),
    at=st.sampled_from((Stage.DHCP, Stage.TFTP, Stage.KERNEL, Stage.ROOT, Stage.UP, Stage.UP)),
    slow=st.sampled_from((1.0, 1.0, 1.0, 3.0, SLOWEST)),
    rom=st.booleans(),
    ssh_only=st.booleans(),
    sick=st.booleans(),
    obeys=st.booleans(),
)
lengths = st.one_of(st.floats(1, 120), st.floats(120, 2000), st.floats(2000, 7200))
delays = st.floats(0, 20)
outages = st.sampled_from(Kind).flatmap(
    lambda kind: st.builds(
        Outage,
        kind=st.just(kind),
        begins_s=st.floats(1, 2000),
        lasts_s=lengths,
        stack=st.sampled_from((None, None, 0, 1)),
        told_after_s=delays if kind is Kind.SERVERS else st.one_of(st.none(), delays),
    )
)
policies = st.builds(
    replace,
    st.just(POLICY),
    patience_s=st.sampled_from((0.0, POLICY.patience_s, POLICY.patience_s)),
    max_cycles_per_hour=st.sampled_from((1, 2, 3, 3)),
)


@dataclass
class Weather:
    """What happens to whom. Slots without a nature are off, and nobody wants them on."""

    natures: dict[SlotId, Nature]
    outages: list[Outage] = field(default_factory=list)
    people: list[tuple[float, SlotId]] = field(default_factory=list)  # who cycle a node by hand
    modes: dict[SlotId, RecoveryMode] = field(default_factory=dict)
    policy: RecoveryPolicy = POLICY


@st.composite
def weathers(draw: st.DrawFn, modes: tuple[RecoveryMode, ...] = (RecoveryMode.ACT,)) -> Weather:
    natures: dict[SlotId, Nature] = {}
    for stack in STACKS:
        numbers = sorted(set(range(6)) - draw(st.sets(st.integers(0, 5), max_size=2)))
        bad = draw(st.sets(st.sampled_from(numbers), max_size=len(numbers) // 2))  # more would be a mass
        natures |= {SlotId(stack, number): draw(hanging) if number in bad else Nature() for number in numbers}
    people = draw(st.lists(st.tuples(st.floats(1, 2000), st.sampled_from(sorted(natures))), max_size=3))
    chosen = {slot: draw(st.sampled_from(modes)) for slot in natures}
    return Weather(natures, draw(st.lists(outages, max_size=3)), people, chosen, draw(policies))


def play(weather: Weather, quiet_s: float = QUIET_S) -> Farm:
    farm = Farm(weather.natures, modes=weather.modes, policy=weather.policy)
    for outage in weather.outages:
        farm.plan(outage)
    for when, slot in weather.people:
        farm.at(when, lambda slot=slot: farm.ask(Verb.CYCLE, [slot]))  # type: ignore[misc]
    last = max([0.0, *(one.begins_s + one.lasts_s for one in weather.outages), *(when for when, _ in weather.people)])
    farm.run(max(last, AFTER_S))
    for _ in range(int(quiet_s / SLICE_S)):
        farm.run(SLICE_S)
        if at_rest(farm):
            break
    return farm


def at_rest(farm: Farm) -> bool:
    """Whether nothing more happens: no node is about to hang, and each is up or in quarantine."""
    state = farm.state
    return not state.claims and all(
        slot in farm.quarantines
        or node.nature.hangs > POLICY.quarantine_after
        or (state.slots[slot].stage is Stage.UP and not node.hung and not farm.may_hang(slot))
        for slot, node in farm.nodes.items()
    )


def judge(farm: Farm) -> None:
    """See to it that all that must hold did."""
    policy = farm.state.config.recovery
    assert not farm.wrongs, farm.wrongs
    for slot, times in farm.cuts.items():
        assert most_in_an_hour(times) <= policy.max_cycles_per_hour, f"{slot}: {times}"
    for key in ("all", "stack 0", "stack 1"):
        told = [one.kind for one in farm.logs if one.kind in HOLDING and (one.fields["where"] == key)]
        assert told == [HOLDING[number % 2] for number in range(len(told))], "each hold and each release is told once"
        assert len(told) % 2 == (key in farm.state.recovery_holds)
    for slot, node in farm.nodes.items():
        stage, nature = farm.state.slots[slot].stage, node.nature
        if slot in farm.quarantines:
            assert nature.bad, f"{slot} is in quarantine: {farm.quarantines[slot]}"
            assert len(farm.cuts.get(slot, ())) >= policy.quarantine_after
        elif nature.hangs <= policy.quarantine_after:  # the others may hang for ever
            assert stage is Stage.UP, f"{slot} {stage}: {farm.state.recovery.get(slot)} {farm.state.recovery_holds}"


HOLDING = ("recovery.held", "recovery.released")


def most_in_an_hour(times: list[float]) -> int:
    return max((sum(at <= other < at + HOUR_S for other in times) for at in times), default=0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(weather=weathers())
def test_recovery_in_all_weathers(weather: Weather) -> None:
    farm = play(weather)
    judge(farm)
    event(f"cycles {min(8, sum(map(len, farm.cuts.values())))}")
    event(f"quarantined {len(farm.quarantines)}")
    event(f"holds {len([one for one in farm.logs if one.kind == HOLDING[0]])}")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(weather=weathers((RecoveryMode.OFF, RecoveryMode.ADVISE)))
def test_off_and_advise_never_make_a_job(weather: Weather) -> None:
    farm = play(replace(weather, outages=[one for one in weather.outages if one.lasts_s < 1000]), 600)
    never_acted(farm)
    event(f"advised {min(5, sum(one.kind == 'recovery.cycle' for one in farm.logs))}")


def never_acted(farm: Farm) -> None:
    assert not [job for job in farm.state.jobs.values() if job.by == "recovery"]
    assert not farm.soft
    assert not farm.quarantines
    assert not farm.wrongs


# --- a judge that cannot fail is worth nothing ----------------------------------------------------------------------

WELL = {SlotId(stack, number): Nature() for stack in STACKS for number in range(6)}
FLAPPER = Weather(
    WELL | {SlotId(0, 1): Nature(hangs=50, after_s=620, at=Stage.UP)}, people=[(7000.0, SlotId(1, 5))]
)  # fmt: skip
HANGS_TWICE = Weather(WELL | {SlotId(0, 1): Nature(hangs=2, after_s=50, at=Stage.ROOT)})
NO_NETWORK = Weather(WELL, [Outage(Kind.NETWORK, 100.0, 2000.0)])
NO_DHCP = Weather(WELL, [Outage(Kind.SERVERS, 100.0, 2000.0, told_after_s=1.0)], [(90.0 + 20, SlotId(0, 1))])
HASTY = replace(NO_NETWORK, policy=replace(POLICY, patience_s=0.0))
ADVISED = Weather(
    WELL | {SlotId(0, 1): Nature(hangs=1, after_s=50)}, modes=dict.fromkeys(WELL, RecoveryMode.ADVISE)
)  # fmt: skip


def _no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case.Case, "_evidence", lambda _: "")


def _no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case, "of_an_hour", lambda entry, _: entry.cycles[:0])


def _no_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case.Case, "_cycle", lambda *_: None)


def _no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "causes", lambda *_: {})


def _no_hold_and_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    _no_hold(monkeypatch)
    _no_proof(monkeypatch)


def _no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case, "proof", lambda *_: Proof.SOUND)


def _always_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case, "mode_of", lambda *_: RecoveryMode.ACT)


def _early_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_case.Case, "_cycle", lambda case, _: case._quarantine())


def _told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recovery._tell_hold

    def twice(*words: Any) -> None:
        whole(*words)
        whole(*words)

    monkeypatch.setattr(recovery, "_tell_hold", twice)


@pytest.mark.parametrize(
    ("broken", "weather"),
    [
        (_no_evidence, HANGS_TWICE),
        (_no_count, FLAPPER),
        (_no_cycle, HANGS_TWICE),
        (_no_hold_and_no_proof, NO_NETWORK),
        (_no_hold, NO_DHCP),
        (_no_proof, HASTY),
        (_early_quarantine, HANGS_TWICE),
        (_told_again, NO_NETWORK),
        (_always_act, ADVISED),
    ],
)
def test_the_judge_notices_a_policy_that_is_broken(
    broken: Callable[[pytest.MonkeyPatch], None], weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = never_acted if weather.modes else judge
    check(play(weather))
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        check(play(weather))
