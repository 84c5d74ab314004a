"""Grape's lines in somebody else's file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.blocks import BEGIN, END, with_block

lines = st.lists(st.text("abc #=/", max_size=6) | st.sampled_from([BEGIN, END]), max_size=12)
own = st.lists(st.text("xyz", min_size=1, max_size=3), max_size=3)


@given(lines, own, own)
def test_other_lines_stay_and_ours_are_there_once(text: list[str], first: list[str], second: list[str]) -> None:
    before = with_block("\n".join(text), first)
    after = with_block(before, second)
    assert after == with_block("\n".join(text), second)  # the first block has left nothing
    assert with_block(after, second) == after
    kept = with_block(after, []).splitlines()
    assert not {BEGIN, END} & set(kept)
    assert after.splitlines() == kept + ([BEGIN, *second, END] if second else [])


def test_a_block_is_replaced() -> None:
    text = with_block("a\nb\n", ["one"])
    assert text == f"a\nb\n{BEGIN}\none\n{END}\n"
    assert with_block(text + "c\n", ["two"]) == f"a\nb\nc\n{BEGIN}\ntwo\n{END}\n"


def test_a_mark_without_its_partner_takes_nothing_with_it() -> None:
    assert with_block(f"a\n{BEGIN}\nb\n", []) == "a\nb\n"
    assert with_block(f"a\n{BEGIN}\nb\n{BEGIN}\nours\n{END}\nc\n", []) == "a\nb\nc\n"
    assert with_block(f"{END}\nb\n", []) == "b\n"


def test_a_line_cannot_smuggle_others_in() -> None:
    for line in ("a\nb", END):
        with pytest.raises(ValueError, match="one line"):
            with_block("", [line])
