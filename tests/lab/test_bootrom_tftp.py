"""The boot ROM's TFTP, by plain calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.lab.bootrom.faults import Faults
from tests.lab.bootrom.tftp import Download, End


class Server:
    """Answers as a TFTP server does, and loses or repeats what it is told to."""

    def __init__(self, content: bytes, block_bytes: int = 512, roof: int = 1468) -> None:
        self.content = content
        self.block_bytes = block_bytes
        self.roof = roof
        self.number = 0

    def answer(self, packet: bytes) -> bytes | None:
        kind = packet[1]
        if kind == 1:
            words = packet[2:].split(b"\0")
            if b"blksize" not in words:
                return self.block(1)
            self.block_bytes = min(self.roof, int(words[words.index(b"blksize") + 1]))
            return b"\0\6tsize\0%d\0blksize\0%d\0" % (len(self.content), self.block_bytes)
        if kind == 4:
            acked = packet[2] << 8 | packet[3]
            if acked == self.number & 0xFFFF and not self.finished():
                return self.block(self.number + 1)
        return None

    def block(self, number: int) -> bytes:
        self.number = number
        start = (number - 1) * self.block_bytes
        return b"\0\3" + (number & 0xFFFF).to_bytes(2, "big") + self.content[start : start + self.block_bytes]

    def finished(self) -> bool:
        return self.number * self.block_bytes > len(self.content)


def fetch(server: Server, download: Download) -> None:
    """Let them talk; a packet that brings no answer is sent again."""
    packet: bytes | None = download.start(0.0)
    last = b""
    for _ in range(1_000_000):
        assert packet is not None
        back = server.answer(packet) or last
        last = back
        packet = download.received(memoryview(back), 0.0) or packet
        if download.end is not None:
            return
    raise AssertionError("they never end")


def taken(content: bytes, *, wanted: int | None = None, roof: int = 1468, faults: Faults | None = None) -> bytes:
    got = bytearray()
    download = Download("kernel8.img", got.extend, wanted=wanted, faults=faults or Faults())
    fetch(Server(content, roof=roof), download)
    assert download.end is End.COMPLETE
    assert download.size == len(content)
    assert download.told_size == (len(content) if wanted else None)
    return bytes(got)


@given(st.binary(max_size=6000), st.sampled_from([None, 512, 1024, 1468]), st.integers(64, 1468), st.integers(0, 5))
def test_every_file_comes_as_it_is(content: bytes, wanted: int | None, roof: int, lose: int) -> None:
    assert taken(content, wanted=wanted, roof=roof, faults=Faults(lose_every=lose + 1 if lose else 0)) == content


def test_block_numbers_roll_over() -> None:
    content = bytes(range(256)) * 2 * 65_540
    assert taken(content) == content


def test_a_plain_request_has_no_options() -> None:
    assert Download("bootcode.bin", lambda _: None).start(0.0) == b"\0\1bootcode.bin\0octet\0"
    asked = Download("a", lambda _: None, wanted=1468).start(0.0)
    assert asked.split(b"\0")[1:] == [b"\1a", b"octet", b"tsize", b"0", b"blksize", b"1468", b""]


def test_a_probe_ends_early() -> None:
    plain = Download("x/start.elf", lambda _: None, probe=True)
    plain.start(0.0)
    assert plain.received(memoryview(b"\0\3\0\1" + bytes(512)), 0.0) == b"\0\5\0\0Early terminate\0"
    assert plain.end is End.STOPPED
    asked = Download("x/start4.elf", lambda _: None, probe=True, wanted=1468)
    asked.start(0.0)
    assert asked.received(memoryview(b"\0\6tsize\x009\0blksize\x001468\0"), 0.0) == b"\0\5\0\0Early terminate\0"


def test_what_is_missing_is_not_waited_for() -> None:
    download = Download("bootsig.bin", lambda _: None)
    download.start(0.0)
    assert download.received(memoryview(b"\0\5\0\1File not found\0"), 0.0) is None
    assert download.end is End.MISSING


def test_silence_is_asked_again_and_then_ends() -> None:
    download = Download("start.elf", lambda _: None)
    first = download.start(0.0)
    again = [download.wake(download.due) for _ in range(4)]
    assert again == [first] * 4
    assert download.wake(download.due) is None
    assert download.end is End.SILENT


def test_a_block_that_comes_twice_is_answered_once() -> None:
    download = Download("start.elf", lambda _: None)
    download.start(0.0)
    block = memoryview(b"\0\3\0\1" + bytes(512))
    assert download.received(block, 0.0) == b"\0\4\0\1"
    assert download.received(block, 0.0) is None


def test_options_that_are_agreed_twice_are_answered_once() -> None:
    download = Download("start4.elf", lambda _: None, wanted=1468)
    download.start(0.0)
    agreed = memoryview(b"\0\6tsize\x009\0blksize\x001468\0")
    assert download.received(agreed, 0.0) == b"\0\4\0\0"
    assert download.received(agreed, 0.0) is None
    assert download.end is None


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_datagram_upsets_it(datagrams: list[bytes]) -> None:
    download = Download("start.elf", lambda _: None, wanted=1468)
    download.start(0.0)
    for datagram in datagrams:
        if download.end is None:
            download.received(memoryview(datagram), 0.0)


def test_an_answer_against_the_protocol_ends_it() -> None:
    for odd in (b"\0\6blksize\0009000\0", b"\0\1config.txt\0octet\0", b"\0", b"\0\3\0\1" + bytes(513)):
        download = Download("config.txt", lambda _: None, wanted=1468 if odd[1:2] == b"\6" else None)
        download.start(0.0)
        answer = download.received(memoryview(odd), 0.0)
        assert answer is not None
        assert answer[:2] == b"\0\5"
        assert download.end is End.WRONG
