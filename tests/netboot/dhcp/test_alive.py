"""A question to dnsmasq, byte by byte, and what counts as its answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.dhcp.alive import is_answer, question


def test_a_question_is_a_packet_of_rfc_1035() -> None:
    assert question(0x1234, "master") == bytes.fromhex("1234 0100 0001 0000 0000 0000 06 6d6173746572 00 0001 0001")


@given(number=st.integers(0, 0xFFFF), other=st.integers(0, 0xFFFF))
def test_only_an_answer_to_this_question_counts(number: int, other: int) -> None:
    asked = question(number, "master")
    answer = asked[:2] + b"\x81\x80" + asked[4:]
    assert is_answer(answer, number)
    assert is_answer(answer, other) == (number == other)
    assert not is_answer(asked, number)  # an echo


@given(st.binary(max_size=11), st.integers(0, 0xFFFF))
def test_what_is_too_short_is_no_answer(packet: bytes, number: int) -> None:
    assert not is_answer(packet, number)
