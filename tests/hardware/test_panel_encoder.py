"""The knob: every click counted once, bounce never."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.hardware.chips.encoder import BUTTON, Encoder
from graped.hardware.sim.panel import click

RIGHT = (1, 3, 2, 0)  # from 0 on
UP = BUTTON  # the button at rest


def port(code: int, pressed: bool = False) -> int:
    return code << 6 | (0 if pressed else UP) | 0x18


def run(encoder: Encoder, codes: list[int]) -> int:
    return sum(encoder.feed(port(code)).clicks for code in codes)


def walk(start: int, steps: list[int]) -> list[int]:
    """Turn +1/-1 transitions into the codes that follow."""
    cycle = [0, *RIGHT[:3]]
    at = cycle.index(start)
    codes = []
    for step in steps:
        at = (at + step) % 4
        codes.append(cycle[at])
    return codes


@given(st.integers(0, 3), st.lists(st.sampled_from([4, -4]), max_size=30))
def test_any_rotation_is_counted_exactly(start: int, turns: list[int]) -> None:
    steps = [1 if turn > 0 else -1 for turn in turns for _ in range(4)]
    assert run(Encoder(port(start)), walk(start, steps)) == sum(turns) // 4


@given(st.integers(0, 3), st.lists(st.sampled_from([1, -1]), max_size=100), st.integers(1, 4))
def test_clicks_are_the_transitions_over_their_number_whatever_the_way(
    start: int, steps: list[int], per_click: int
) -> None:
    clicks = run(Encoder(port(start), transitions_per_click=per_click), walk(start, steps))
    assert abs(sum(steps) - clicks * per_click) < per_click


@given(st.integers(0, 3), st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(0, 5)), max_size=40))
def test_bounce_counts_nothing(start: int, moves: list[tuple[int, int]]) -> None:
    clean = [step for step, _ in moves]
    bouncing = [each for step, bounces in moves for each in [step, *[-step, step] * bounces]]
    straight = Encoder(port(start)), Encoder(port(start))
    final = [run(straight[0], walk(start, clean)), run(straight[1], walk(start, bouncing))]
    assert abs(final[0] - final[1]) <= 1  # a bounce across the detent may show a click early, never twice
    assert abs(sum(clean) - 4 * final[1]) < 4


@given(st.integers(0, 3))
def test_a_missed_code_counts_nothing_and_the_next_turn_counts(start: int) -> None:
    encoder = Encoder(port(start))
    opposite = start ^ 0b11
    assert run(encoder, [opposite]) == 0
    assert run(encoder, walk(opposite, [1] * 4)) == 1


@given(st.lists(st.booleans(), max_size=30))
def test_a_push_is_told_once_when_it_goes_down(pressed: list[bool]) -> None:
    encoder = Encoder(port(0))
    told = [encoder.feed(port(0, down)).pressed for down in pressed]
    assert told == [down and not before for before, down in zip([False, *pressed], pressed, strict=False)]


def test_a_button_held_at_the_start_is_no_push() -> None:
    assert not Encoder(port(0, pressed=True)).feed(port(0, pressed=True)).pressed


def test_the_simulated_knob_turns_the_same_way() -> None:
    encoder = Encoder(port(3))
    assert run(encoder, list(click(True))) == 1
    assert run(encoder, list(click(False))) == -1
