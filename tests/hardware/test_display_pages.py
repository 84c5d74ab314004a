"""What the display says, for all sorts of states."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from graped.config.types import Cluster, Config, Device, Stack
from graped.core.state import SlotState, StackState, State
from graped.display import Page, pages
from graped.hardware.chips.hd44780 import decode_character, encode_row
from graped.model import Fault, MeterKind, Power, Reading, SlotId, StackCondition

NOW = 1000.0


def fault(code: str) -> Fault:
    return Fault(code=code, message="A whole sentence that is far too long for a display.", since=1.0)


def meters(millicelsius: int, milliwatts: int, at: float = NOW) -> dict[MeterKind, Reading]:
    values = {MeterKind.TEMPERATURE: millicelsius, MeterKind.POWER: milliwatts}
    return {kind: Reading(kind=kind, value=value, at=at) for kind, value in values.items()}


def make(
    stacks: dict[int, StackState], slots: dict[tuple[int, int], SlotState], name: str = "grape", **more: object
) -> list[Page]:
    state = State(
        config=Config(cluster=Cluster(name=name)),
        stacks=stacks,
        slots={SlotId(*key): slot for key, slot in slots.items()},
        **more,  # type: ignore[arg-type]
    )
    return pages(state, NOW)


def ok(temperature: int = 41_400, watts: int = 61_600, at: float = NOW) -> StackState:
    return StackState(condition=StackCondition.OK, adopted=True, meters=meters(temperature, watts, at))


def six(key: int, powers: str) -> dict[tuple[int, int], SlotState]:
    words = {"1": Power.ON, "0": Power.OFF, "?": Power.UNKNOWN}
    return {(key, slot): SlotState(observed=words[sign]) for slot, sign in enumerate(powers)}


def test_a_healthy_cluster() -> None:
    first, zero, one = make({0: ok(), 1: ok(52_600, 58_000)}, six(0, "111000") | six(1, "1?0000"))
    assert first.lines == ("grape       4/12", "53°C        120W")
    assert zero.lines == ("Stack 0       ok", "███···  41°C 62W")
    assert one.lines == ("Stack 1       ok", "█?····  53°C 58W")
    assert {(page.red, page.green) for page in (first, zero, one)} == {(False, True)}


def test_a_missing_stack_is_named_on_both_pages_and_lights_red() -> None:
    missing = StackState(condition=StackCondition.MISSING, fault=fault("missing"))
    first, zero, three = make({0: ok(), 3: missing}, six(0, "111111") | six(3, "??????"))
    assert first.lines == ("grape       6/12", "! stack 3   41°C")
    assert three.lines == ("Stack 3  missing", "??????          ")
    assert {(page.red, page.green) for page in (first, zero, three)} == {(True, False)}


def test_a_slots_fault_is_told_on_its_page() -> None:
    slots = six(0, "110000")
    slots[0, 1] = SlotState(observed=Power.ON, fault=fault("mismatch"))
    first, zero = make({0: ok()}, slots)
    assert zero.lines == ("Stack 0  1 fault", "█!····  41°C 62W")
    assert first.red


def test_nodes_are_counted_and_an_empty_slot_that_cannot_be_told_is_no_trouble() -> None:
    slots = six(0, "11000?")
    slots[0, 5] = SlotState(observed=Power.UNKNOWN, fault=fault("unreadable"))
    devices = {number: Device() for number in (0, 2, 3)}
    cluster = Cluster(name="grape", stacks={0: Stack(devices=devices)})
    state = State(
        config=Config(cluster=cluster), stacks={0: ok()}, slots={SlotId(*at): slot for at, slot in slots.items()}
    )
    first, zero = pages(state, NOW)
    assert first.lines[0] == "grape        1/3"
    assert zero.lines[0] == "Stack 0       ok"
    assert first.green
    slots[0, 3] = slots[0, 5]
    first, zero = pages(replace(state, slots={SlotId(*at): slot for at, slot in slots.items()}), NOW)
    assert zero.lines[0] == "Stack 0  1 fault"
    assert first.red


def test_heat_comes_before_everything() -> None:
    first, _ = make({0: ok()}, six(0, "000000"), over_temperature=True, faults={"store": fault("store")})
    assert first.lines[1] == "OVER-TEMPERATURE"
    assert first.red


def test_a_fault_of_the_daemon_is_named() -> None:
    first, _ = make({0: ok()}, six(0, "000000"), faults={"store": fault("store")})
    assert first.lines[1] == "! store     41°C"


def test_stale_readings_are_not_shown() -> None:
    first, zero = make({0: ok(at=NOW - 16)}, six(0, "000000"))
    assert first.lines[1].strip() == ""
    assert zero.lines[1] == "······          "


def test_before_the_first_reading_no_led_lights() -> None:
    first, zero = make({0: StackState()}, six(0, "??????"))
    assert (first.red, first.green) == (False, False)
    assert zero.lines == ("Stack 0 starting", "??????          ")


def test_a_slot_that_does_not_exist_leaves_its_column_empty() -> None:
    _, zero = make({0: ok()}, {(0, 1): SlotState(observed=Power.ON), (0, 3): SlotState(observed=Power.OFF)})
    assert zero.lines[1] == " █ ·    41°C 62W"


def test_the_cluster_page_is_there_without_any_stack() -> None:
    (first,) = make({}, {}, name="a cluster with a long name")
    assert first.lines == ("a cluster wi 0/0", "                ")


codes = st.text("abcdefghij_:", min_size=1, max_size=30)
faults = st.builds(fault, codes)
readings = st.dictionaries(
    st.sampled_from(list(MeterKind)),
    st.tuples(st.integers(-(10**7), 10**9), st.floats(-10, NOW)),
    max_size=4,
).map(lambda found: {kind: Reading(kind=kind, value=value, at=at) for kind, (value, at) in found.items()})
stack_states = st.builds(
    StackState,
    condition=st.sampled_from(list(StackCondition)),
    fault=st.none() | faults,
    adopted=st.booleans(),
    meters=readings,
)
slot_states = st.builds(SlotState, observed=st.sampled_from(list(Power)), fault=st.none() | faults)


@given(
    st.dictionaries(st.integers(0, 15), stack_states, max_size=16),
    st.dictionaries(st.tuples(st.integers(0, 15), st.integers(0, 9)), slot_states, max_size=30),
    st.text(max_size=40),
    st.dictionaries(codes, faults, max_size=2),
    st.booleans(),
)
def test_every_page_fits_the_glass_and_green_is_never_lit_in_trouble(
    stacks: dict[int, StackState],
    slots: dict[tuple[int, int], SlotState],
    name: str,
    daemon: dict[str, Fault],
    hot: bool,
) -> None:
    shown = make(stacks, slots, name, faults=daemon, over_temperature=hot)
    assert len(shown) == 1 + len(stacks)
    troubled = bool(daemon) or hot or any(stack.fault for stack in stacks.values())
    for page in shown:
        assert all(len(line) == 16 for line in page.lines)
        assert not (page.red and page.green)
        assert page.red or not troubled


@given(st.dictionaries(st.tuples(st.just(0), st.integers(0, 5)), slot_states, max_size=6))
def test_the_lcd_has_every_sign_that_we_use(slots: dict[tuple[int, int], SlotState]) -> None:
    for page in make({0: ok()}, slots):
        for line in page.lines:
            assert "".join(map(decode_character, encode_row(line))) == line
