"""Compression is told by the first bytes and undone piece by piece; what is cut or changed is noticed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import zipfile
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import BadImage
from graped.netboot.images.source import Source
from graped.netboot.images.unpack import unpacked
from graped.work import Work

NOISE = random.Random(3).randbytes(300_000) + bytes(500_000) + random.Random(4).randbytes(1000)


class Unseekable(io.BytesIO):
    """Has ``zipfile`` write its sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED, *, stream: bool = False, long: bool = False) -> bytes:
    out = Unseekable() if stream else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("notes/README.txt", b"not this one" * 100)
        archive.writestr("notes/", b"")
        with archive.open("raspios.img", "w", force_zip64=long) as member:
            member.write(data)
        archive.writestr("more.txt", b"x" * 100)
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lambda data: lzma.compress(data, preset=0),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.compress,
    "zip": zipped,
    "zip stored": lambda data: zipped(data, zipfile.ZIP_STORED),
    "zip streamed": lambda data: zipped(data, stream=True),
    "zip streamed zip64": lambda data: zipped(data, stream=True, long=True),
    "zip64": lambda data: zipped(data, long=True),
    "xz in zip": lambda data: zipped(lzma.compress(data), zipfile.ZIP_STORED),
    "two gzips": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "two xz, padded": lambda data: lzma.compress(data[:1000]) + bytes(8) + lzma.compress(data[1000:]) + bytes(4),
    "two zstd": lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
    "pzstd": lambda data: b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstandard.compress(data),
    "padded gzip": lambda data: gzip.compress(data) + bytes(1000),
    "nothing": lambda data: data,
}


def read_all(data: bytes, piece: int = 70_000) -> bytes:
    stream = io.BytesIO(data)
    source = unpacked(Source(lambda size: stream.read(min(size, piece))))
    return b"".join(iter(lambda: source.some(50_000), b""))


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())
@pytest.mark.parametrize("piece", [70_000, 333])
def test_what_was_packed_comes_out(pack: Callable[[bytes], bytes], piece: int) -> None:
    assert read_all(pack(NOISE), piece) == NOISE


@given(data=st.binary(max_size=3000), name=st.sampled_from(sorted(PACKERS)), piece=st.integers(1, 100))
def test_any_bytes_come_out(data: bytes, name: str, piece: int) -> None:
    data = b"\0" + data  # so that it does not look packed itself
    assert read_all(PACKERS[name](data), piece) == data


@pytest.mark.parametrize("name", [name for name in PACKERS if name not in ("nothing", "padded gzip")])
def test_a_cut_is_noticed(name: str) -> None:
    """Wherever it is cut within the data; what a zip has behind its member is not needed."""
    data = PACKERS[name](NOISE)
    end = data.find(b"more.txt") - 30 if name.startswith("zip") or name == "xz in zip" else len(data.rstrip(b"\0"))
    second = len(gzip.compress(NOISE[:1000])) if name == "two gzips" else 0
    for cut in [*range(10, end, end // 50), end - 1]:
        if cut == second:
            continue
        with pytest.raises(BadImage):
            read_all(data[:cut])


@pytest.mark.parametrize("name", ["xz", "gzip", "bzip2", "zip", "zip stored", "zip streamed"])
def test_a_changed_byte_is_noticed(name: str) -> None:
    data = bytearray(PACKERS[name](NOISE))
    data[150_000] ^= 0x10
    with pytest.raises(BadImage, match=r"damaged|check sum|truncated") as caught:
        read_all(bytes(data))
    assert caught.value.hint


def test_a_zip_without_an_image() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("README.txt", "x")
    with pytest.raises(BadImage, match="no image"):
        read_all(out.getvalue())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_streamed(method: int) -> None:
    with pytest.raises(BadImage, match="cannot be streamed"):
        read_all(zipped(b"x" * 1000, method))


def test_an_encrypted_zip() -> None:
    data = bytearray(zipped(b"x"))
    data[6] |= 1
    with pytest.raises(BadImage, match="encrypted"):
        read_all(bytes(data))


def test_packed_again_and_again() -> None:
    data = b"x" * 100
    for _ in range(5):
        data = gzip.compress(data)
    with pytest.raises(BadImage, match="more than 3 times"):
        read_all(data)


@pytest.mark.parametrize("name", ["xz", "gzip", "bzip2", "zstd", "zip"])
def test_a_bomb_never_is_in_memory(name: str) -> None:
    """64 MiB of zeros come out in pieces; zstd, of which 4 bytes can be 128 KB, in larger ones."""
    data = PACKERS[name](bytes(64 * 1_048_576))
    source = unpacked(Source(io.BytesIO(data).read))
    largest = total = 0
    while piece := source.some(100_000):
        largest, total = max(largest, len(piece)), total + len(piece)
    assert total == 64 * 1_048_576
    assert largest <= (32 if name == "zstd" else 1) * 1_048_576


def test_an_xz_that_wants_gigabytes_of_memory() -> None:
    engine = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}])
    data = bytearray(engine.compress(os.urandom(1000)) + engine.flush())
    at = data.index(b"\x21\x01", 12) + 2  # the dictionary's size, as one byte; the header's check sum follows
    header = data[12 : 12 + (data[12] + 1) * 4 - 4]
    header[at - 12] = 38  # 2 GiB

    data[12 : 12 + len(header) + 4] = header + zlib.crc32(header).to_bytes(4, "little")
    with pytest.raises(BadImage, match=r"[Mm]emory"):
        read_all(bytes(data))


def test_what_is_read_is_told() -> None:
    work = Work()
    work.phase("read", 1000)
    source = Source(io.BytesIO(bytes(1000)).read, work)
    assert source.peek(10) == bytes(10)
    assert source.read(2000) == bytes(1000)
    assert work.progress.done == 1000
