"""DHCP messages and frames: what goes in comes out, and anything else does no harm."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.dhcp.packets import Kind, Message, Option, decode, encode, frame, unframe

addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
options = st.dictionaries(
    st.integers(1, 254).filter(lambda number: number != Option.MESSAGE_TYPE), st.binary(max_size=255), max_size=6
)
messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    xid=st.integers(0, 2**32 - 1),
    mac=macs,
    broadcast=st.booleans(),
    client=addresses,
    yours=addresses,
    next_server=addresses,
    file=st.from_regex(r"[a-z./]{0,127}", fullmatch=True),
    options=options,
)


@given(messages)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=600))
def test_noise_is_no_message(payload: bytes) -> None:
    assert decode(payload) is None
    unframe(payload)


@given(messages, st.integers(0, 700))
def test_a_message_cut_off_anywhere_does_no_harm(message: Message, length: int) -> None:
    decode(encode(message)[:length])


def test_the_bytes_of_a_discover_are_those_of_the_standard() -> None:
    raw = encode(Message(kind=Kind.DISCOVER, xid=0x26F30339, mac="b8:27:eb:01:02:03", options={60: b"PXEClient"}))
    assert raw[:8].hex() == "0101060026f30339"
    assert raw[28:34].hex() == "b827eb010203"
    assert raw[236:].rstrip(b"\0").hex() == "63825363" + "350101" + "3c09" + b"PXEClient".hex() + "ff"
    assert len(raw) == 300


def test_only_what_is_sent_to_a_client_is_unwrapped() -> None:
    payload = encode(Message(kind=Kind.OFFER, xid=1, mac="b8:27:eb:01:02:03"))
    raw = frame(
        payload, source_mac="02:00:00:00:00:01", source=IPv4Address("0.0.0.0"), target=IPv4Address("255.255.255.255")
    )
    assert unframe(raw) is None  # to a server
    answer = raw[:34] + raw[36:38] + raw[34:36] + raw[38:]  # ports exchanged
    assert unframe(answer) == ("02:00:00:00:00:01", payload)


def test_the_header_has_the_checksum_of_the_standard() -> None:
    raw = frame(b"x", source_mac="02:00:00:00:00:01", source=IPv4Address(0), target=IPv4Address("255.255.255.255"))
    total = sum(int.from_bytes(raw[at : at + 2], "big") for at in range(14, 34, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


@pytest.mark.parametrize("length", [3, 5])
def test_a_server_identifier_of_another_length_is_none(length: int) -> None:
    assert Message(kind=Kind.OFFER, xid=1, mac="02:00:00:00:00:01", options={54: b"\1" * length}).server is None
