"""What is kept of what a job's command writes: the last lines, numbered, within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.provision import output
from graped.provision.output import Output


def test_lines_are_numbered_from_one_and_asked_for_behind_a_number() -> None:
    kept = Output()
    assert kept.after(0) == ((), 0)
    for word in ("a", "b", "c"):
        kept.say(word)
    assert kept.after(0) == (("a", "b", "c"), 3)
    assert kept.after(2) == (("c",), 3)
    assert kept.after(3) == kept.after(99) == ((), 3)


def test_a_long_line_is_cut_and_says_so() -> None:
    kept = Output()
    kept.say("x" * output.LINE_CHARACTERS)
    kept.say("x" * (output.LINE_CHARACTERS + 1))
    whole, cut = kept.after(0)[0]
    assert whole == "x" * output.LINE_CHARACTERS
    assert len(cut) == output.LINE_CHARACTERS
    assert cut.endswith("x...")


@given(st.lists(st.integers(0, 3 * output.LINE_CHARACTERS), max_size=30), st.integers(1, 200), st.integers(0, 7000))
def test_the_last_lines_are_kept_within_bounds(lengths: list[int], times: int, after: int) -> None:
    kept, said = Output(), [f"{n} " + "x" * length for n, length in enumerate(lengths * times)]
    for line in said:
        kept.say(line)
    lines, last = kept.after(0)
    assert last == len(said)
    assert len(lines) <= output.LINES
    assert sum(map(len, lines)) <= output.CHARACTERS
    numbers = [int(line.split(" ")[0]) for line in lines]
    assert numbers == list(range(len(said) - len(lines), len(said)))
    if said:
        assert lines  # never so little room that the newest line goes
    assert kept.after(after)[0] == tuple(line for line, number in zip(lines, numbers, strict=True) if number >= after)
