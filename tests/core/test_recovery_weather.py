"""Recovery in all weathers: nodes that hang, flap, are dead or slow, and outages of ours of any length."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from graped.config.types import RecoveryMode
from graped.model import SlotId, Stage, Verb
from tests.core.recovery_world import POLICY, Farm, Kind, Nature, Outage

STACKS = (0, 1)
HOUR_S = 3600.0
AFTER_S = 1200.0  # until then nodes begin to hang
SLICE_S = 120.0
QUIET_S = 2.5 * HOUR_S  # three cycles, two of them perhaps in the next hour, and their pauses
SLOWEST = 6.0  # a boot of such a node takes as long as the last pause
BAD_A_STACK = 3  # of six: more would be a mass

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
delays = st.floats(0, 30)
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


@dataclass
class Weather:
    """What happens to whom."""

    natures: dict[SlotId, Nature]
    outages: list[Outage]
    off: set[SlotId]
    people: list[tuple[float, SlotId]]


@st.composite
def weathers(draw: st.DrawFn) -> Weather:
    natures: dict[SlotId, Nature] = {}
    for stack in STACKS:
        bad = draw(st.sets(st.integers(0, 5), max_size=BAD_A_STACK))
        for number in range(6):
            natures[SlotId(stack, number)] = draw(hanging) if number in bad else Nature()
    people = draw(st.lists(st.tuples(st.floats(1, 2000), st.sampled_from(sorted(natures))), max_size=3))
    return Weather(natures, draw(st.lists(outages, max_size=3)), set(), people)


def play(weather: Weather, modes: dict[SlotId, RecoveryMode] | None = None) -> Farm:
    farm = Farm(weather.natures, modes=modes)
    for outage in weather.outages:
        farm.plan(outage)
    for when, slot in weather.people:
        farm.at(when, lambda slot=slot: farm.ask(Verb.CYCLE, [slot]))  # type: ignore[misc]
    last = max([0.0, *(one.begins_s + one.lasts_s for one in weather.outages), *(when for when, _ in weather.people)])
    farm.run(max(last, AFTER_S))
    for _ in range(int(QUIET_S / SLICE_S)):
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


def most_in_an_hour(times: list[float]) -> int:
    return max((sum(at <= other < at + HOUR_S for other in times) for at in times), default=0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(weather=weathers())
def test_recovery(weather: Weather) -> None:
    judge(play(weather))


def judge(farm: Farm) -> None:
    assert not farm.wrongs, farm.wrongs
    for slot, times in farm.cuts.items():
        assert most_in_an_hour(times) <= POLICY.max_cycles_per_hour, f"{slot}: {times}"
    told = [one.kind for one in farm.logs if one.kind in ("recovery.held", "recovery.released")]
    held: set[str] = set()
    assert abs(told.count("recovery.held") - told.count("recovery.released")) <= len(farm.state.recovery_holds), held
    for slot, node in farm.nodes.items():
        stage, nature = farm.state.slots[slot].stage, node.nature
        event(f"ends {stage}")
        if slot in farm.quarantines:
            event("quarantined")
            assert nature.bad, f"{slot} is in quarantine: {farm.quarantines[slot]}"
            assert len(farm.cuts.get(slot, ())) >= POLICY.quarantine_after
        elif nature.hangs <= POLICY.quarantine_after:
            assert stage is Stage.UP, f"{slot} {stage}: {farm.state.recovery.get(slot)} {farm.state.recovery_holds}"
    event(f"cycles {min(8, sum(map(len, farm.cuts.values())))}")
