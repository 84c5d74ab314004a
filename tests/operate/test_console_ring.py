"""What is kept: bounds, marks between boots, lines that come twice, lines that come too fast."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from graped.operate.console.lines import Said
from graped.operate.console.ring import BURST, BYTES, LINES, Ring

ONE, TWO = "9b65ad49-7bf7-4cd2-809a-f76dac8fd8ca", "00000000-7bf7-4cd2-809a-f76dac8fd8ca"


class Told:
    def __init__(self) -> None:
        self.ring = Ring(count(1001).__next__)
        self.now = 100.0
        self.on_since: float | None = None

    def say(self, text: str = "", number: int | None = None, stamp: str = "", boot: str | None = None) -> bool:
        said = Said(source="kernel", level=6, text=text, number=number, stamp=stamp, boot=boot)
        return self.ring.take(said, now=self.now, at=1e9 + self.now, on_since=self.on_since)

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.ring.all()]


def test_lines_are_found_behind_an_id() -> None:
    told = Told()
    for number in range(10):
        told.say(f"line {number}")
    assert [one.text for one in told.ring.after(None, 2)[0]] == ["line 8", "line 9"]
    assert [one.id for one in told.ring.after(1003, 3)[0]] == [1004, 1005, 1006]
    assert told.ring.after(1010, 5) == ([], False)
    assert told.ring.last == 1010


def test_a_record_that_comes_by_two_ways_is_kept_once() -> None:
    told = Told()
    assert told.say("eth0: link up", 12, "1000")
    assert not told.say("eth0: link up", 12, "1000")
    assert told.say("eth0: link up", 13, "2000")
    assert told.texts == ["eth0: link up"] * 2


def test_a_boot_begins_with_a_mark_however_it_shows() -> None:
    told = Told()
    told.say(boot=ONE)
    told.say("a", 1, "10")
    told.say(boot=TWO)  # it started again by itself
    told.say("a", 1, "11")
    told.say("b", 1, "12")  # the same number, something else: its kernel counts anew
    told.say(boot=ONE)  # ... and this is why
    told.on_since = 50.0
    told.say("c", 1, "13")
    told.say(boot=TWO)
    told.say("d", 2, "14")
    told.say(boot=TWO)
    assert told.texts == [
        "a", "--- it started again ---", "a", "--- its kernel counts anew ---", "b",
        "--- its power came on ---", "c", "d",
    ]  # fmt: skip


def test_the_first_boot_that_is_seen_has_no_mark() -> None:
    told = Told()
    told.on_since = 50.0
    told.say(boot=ONE)
    told.say("a", 1)
    assert told.texts == ["a"]


def test_who_talks_too_fast_is_cut_and_it_is_said_once() -> None:
    told = Told()
    assert sum(told.say(f"line {number}") for number in range(int(BURST) + 500)) == BURST
    told.now += 1.0
    assert told.say("later")
    assert told.texts[-2:] == ["500 lines left out: they came faster than 300 a second", "later"]


def test_what_is_kept_is_bounded_and_what_was_lost_is_said() -> None:
    told = Told()
    for number in range(LINES + 100):
        told.now += 1.0
        told.say(f"line {number}")
    assert len(told.texts) == LINES
    lines, left_out = told.ring.after(1001, 1)
    assert (lines[0].text, left_out) == ("line 100", True)
    assert told.ring.after(1101, 1)[1] is False
    for _ in range(1000):
        told.now += 1.0
        told.say("x" * 1000)
    assert sum(map(len, told.texts)) <= BYTES


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.floats(0, 3)), max_size=200))
def test_ids_grow_and_a_reader_who_keeps_up_gets_each_line_once(said: list[tuple[int, str, float]]) -> None:
    told, last, got = Told(), 0, []
    for number, text, pause in said:
        told.now += pause
        told.say(text, number)
        lines, left_out = told.ring.after(last, 50)
        assert not left_out
        got += lines
        last = lines[-1].id if lines else last
    assert got == told.ring.all()
    assert [one.id for one in got] == sorted({one.id for one in got})
