"""The boot ROM's DHCP, by plain calls. The packets are those of netboot captures: boot-net.adoc, dnsmasq 2.90."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.bootrom import packets
from tests.lab.bootrom.boards import LINUX, WAYS, Board, Rom
from tests.lab.bootrom.dhcp import Dhcp, State, menu_of
from tests.lab.bootrom.faults import garbage

MAC = "b8:27:eb:00:00:01"
BOARDS = {rom: Board(rom=rom, mac=MAC, serial="9ffefdef") for rom in Rom}
MENU = bytes.fromhex("0601030a04005058450917000014") + b"Raspberry Pi Boot   " + b"\xff"  # dnsmasq, 35 bytes
NO_SPACES = bytes.fromhex("0601030a04005058450914000011") + b"Raspberry Pi Boot" + b"\xff"  # as in boot-net.adoc


def client(rom: Rom) -> Dhcp:
    board = BOARDS[rom]
    return Dhcp(way=board.way, hardware=board.hardware, guid=board.guid)


def answer(asked: bytes, kind: int = packets.OFFER, field_43: bytes = MENU, siaddr: str = "10.77.0.1") -> bytes:
    xid = asked[4:8]
    head = b"\2\1\6\0" + xid + bytes(8) + IPv4Address("10.77.0.21").packed + IPv4Address(siaddr).packed + bytes(4)
    options = [(53, bytes((kind,))), (54, b"\x0a\x4d\0\1"), (1, b"\xff\xff\xff\0"), (60, b"PXEClient")]
    options += [(43, field_43)] if field_43 else []
    tail = b"".join(bytes((code, len(value))) + value for code, value in options)
    return head + asked[28:44] + bytes(192) + packets.COOKIE + tail + b"\xff"


def test_a_3b_asks_as_in_the_capture() -> None:
    (asked,) = client(Rom.PI3B).start(0.0)
    assert len(asked) == 320  # tcpdump: "BOOTP/DHCP, Request from b8:27:eb..., length 320, xid 0x26f30339"
    assert asked[4:8] == bytes.fromhex("26f30339")
    assert asked[8:12] == bytes(4)  # no flags: the answer may come to its address
    options = packets.options_of(asked[240:])
    assert options is not None
    assert list(options) == [53, 55, 93, 94, 97, 60]
    assert options[97] == b"\0" + b"\x44" * 16
    assert options[93] + options[94] == b"\0\0\1\2\1"
    assert options[60] == b"PXEClient:Arch:00000:UNDI:002001"


@pytest.mark.parametrize(
    ("rom", "start"),
    [(Rom.PI3BPLUS, "00effdfe9feffdfe9f"), (Rom.PI4, "0052506934"), (Rom.PI5, "0052506935")],
)
def test_models_are_told_apart_by_option_97(rom: Rom, start: str) -> None:
    guid = BOARDS[rom].guid
    assert len(guid) == 17
    assert guid.hex().startswith(start)


@pytest.mark.parametrize("rom", [Rom.PI3B, Rom.PI3BPLUS])
def test_an_old_rom_takes_the_offer_and_never_requests(rom: Rom) -> None:
    dhcp = client(rom)
    (asked,) = dhcp.start(0.0)
    assert dhcp.received(answer(asked), 1.0) == []
    assert dhcp.state is State.BOUND
    assert dhcp.lease is not None
    assert dhcp.lease.address == IPv4Interface("10.77.0.21/24")
    assert dhcp.lease.server == IPv4Address("10.77.0.1")


@pytest.mark.parametrize("rom", [Rom.PI4, Rom.PI5])
def test_a_new_rom_requests_what_was_offered(rom: Rom) -> None:
    dhcp = client(rom)
    (asked,) = dhcp.start(0.0)
    (request,) = dhcp.received(answer(asked), 0.01)
    options = packets.options_of(request[240:])
    assert options is not None
    assert (options[53], options[50], options[54]) == (b"\3", b"\x0a\x4d\0\x15", b"\x0a\x4d\0\1")
    assert dhcp.received(answer(request, packets.ACK), 0.02) == []
    assert dhcp.state is State.BOUND


def test_a_3b_asks_five_times_and_then_gives_up_for_good() -> None:
    dhcp = client(Rom.PI3B)
    (asked,) = dhcp.start(0.0)
    times = []
    while dhcp.state is State.ASKING:
        times.append(dhcp.due)
        dhcp.wake(dhcp.due)
    assert times == [5.0, 10.0, 15.0, 20.0, 25.0]
    assert (dhcp.discovers, dhcp.state) == (5, State.GAVE_UP)
    assert dhcp.received(answer(asked), 26.0) == []
    assert dhcp.state is State.GAVE_UP


def test_a_3b_loses_what_comes_too_soon_and_takes_what_comes_late() -> None:
    dhcp = client(Rom.PI3B)
    (asked,) = dhcp.start(0.0)
    dhcp.received(answer(asked), 0.001)
    assert dhcp.refused == ["the offer came too soon"]
    dhcp.received(answer(asked), 4.9)
    assert dhcp.state is State.BOUND


@pytest.mark.parametrize(
    ("rom", "field_43", "taken"),
    [
        (Rom.PI3B, NO_SPACES, False),
        (Rom.PI3B, b"Raspberry Pi Boot   ", True),  # plain text: firmware#764
        (Rom.PI3BPLUS, NO_SPACES, True),
        (Rom.PI4, NO_SPACES, True),
        (Rom.PI5, MENU.replace(b"Raspberry", b"Blueberry"), False),
        (Rom.PI4, b"", False),
    ],
)
def test_which_menus_are_taken(rom: Rom, field_43: bytes, taken: bool) -> None:
    dhcp = client(rom)
    (asked,) = dhcp.start(0.0)
    dhcp.received(answer(asked, field_43=field_43), 1.0)
    assert (dhcp.state is not State.ASKING) == taken
    assert bool(dhcp.refused) != taken


def test_an_offer_for_somebody_else_is_nothing() -> None:
    dhcp = client(Rom.PI4)
    (asked,) = dhcp.start(0.0)
    right = answer(asked)
    wrong = [right[:4] + b"\0\0\0\0" + right[8:], right[:28] + b"\0" * 6 + right[34:], right[:200], b"", asked]
    for packet in wrong:
        assert dhcp.received(packet, 1.0) == []
    assert (dhcp.state, dhcp.refused) == (State.ASKING, [])


def test_without_a_server_there_is_nothing_to_fetch() -> None:
    dhcp = client(Rom.PI4)
    (asked,) = dhcp.start(0.0)
    dhcp.received(answer(asked, siaddr="0.0.0.0"), 1.0)
    assert dhcp.refused == ["the offer names no server"]


def test_a_nak_starts_again_and_so_does_silence() -> None:
    dhcp = client(Rom.PI5)
    (asked,) = dhcp.start(0.0)
    (request,) = dhcp.received(answer(asked), 0.1)
    (again,) = dhcp.received(answer(request, packets.NAK), 0.2)
    assert packets.options_of(again[240:])[53] == b"\1"  # type: ignore[index]
    (request,) = dhcp.received(answer(again), 0.3)
    kinds = []
    for _ in range(3):
        (packet,) = dhcp.wake(dhcp.due)
        kinds.append(packets.options_of(packet[240:])[53])  # type: ignore[index]
    assert kinds == [b"\3", b"\3", b"\1"]


def test_a_kernel_asks_without_pxe() -> None:
    dhcp = Dhcp(way=LINUX, hardware=BOARDS[Rom.PI4].hardware)
    (asked,) = dhcp.start(0.0)
    assert list(packets.options_of(asked[240:]) or {}) == [53, 55]
    (request,) = dhcp.received(answer(asked, field_43=b"", siaddr="0.0.0.0"), 0.1)
    dhcp.received(answer(request, packets.ACK, field_43=b""), 0.2)
    assert dhcp.state is State.BOUND


def test_a_frame_is_what_the_wire_has() -> None:
    (asked,) = client(Rom.PI3B).start(0.0)
    frame = packets.frame(BOARDS[Rom.PI3B].hardware, asked)
    assert frame[:14] == b"\xff" * 6 + bytes.fromhex("b827eb000001") + b"\x08\0"
    words = struct.unpack("!10H", frame[14:34])
    folded = sum(words)
    assert (folded & 0xFFFF) + (folded >> 16) == 0xFFFF  # the header's checksum is right
    assert packets.payload_of(frame) is None  # it goes to port 67, not to a client's
    assert packets.payload_of(frame[:36] + b"\0\x44" + frame[38:]) == asked


@given(st.binary(max_size=600))
def test_no_packet_upsets_it(data: bytes) -> None:
    dhcp = client(Rom.PI3B)
    (asked,) = dhcp.start(0.0)
    for packet in (data, answer(asked)[:240] + data, answer(asked, field_43=data[:250] or b"x")):
        dhcp.received(packet, 1.0)
    packets.payload_of(data)
    menu_of(data)


def test_garbage_is_never_the_packet_itself() -> None:
    (asked,) = client(Rom.PI3B).start(0.0)
    assert asked not in garbage(asked)


def test_every_model_has_its_way() -> None:
    assert set(WAYS) == set(Rom)
    assert replace(BOARDS[Rom.PI4], rom=Rom.PI5).guid != BOARDS[Rom.PI4].guid
