"""Undo the compression of a stream: told by its first bytes, never more in memory than a window of it."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import zstandard

from graped.errors import BadImage
from graped.netboot.images.source import Source, truncated
from graped.netboot.images.zipped import ZIP_MAGIC, Zipped

LAYERS_MAX: Final = 3  # an .img.xz in a .zip is two
XZ_MEMORY_BYTES: Final = 256 * 1_048_576  # xz -9 takes 65 MB to unpack; a header may claim 4 GB
ZSTD_WINDOW_BYTES: Final = 128 * 1_048_576  # zstd --ultra -22
SKIPPABLE: Final = bytes.fromhex("2a4d18")  # behind one byte 0x50-0x5f: a zstd frame without content, RFC 8878 3.1.2


class Engine(Protocol):
    """Unpacks one member of a stream; as ``lzma`` and ``bz2`` have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class Zlib:
    """``zlib`` as an Engine; ``wbits`` 31 is gzip."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


class _Zstd:
    """``zstandard`` as an Engine. It heeds no ``max_length``: it is fed little at a time."""

    needs_input = True

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        return self._inner.decompress(data)


@dataclass(frozen=True, slots=True)
class _Format:
    name: str
    magic: bytes
    engine: Callable[[], Engine]
    feed_bytes: int = 65_536


FORMATS: Final = (
    _Format("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)),
    _Format("gzip", b"\x1f\x8b\x08", lambda: Zlib(31)),
    _Format("bzip2", b"BZh", bz2.BZ2Decompressor),
    _Format("zstd", b"\x28\xb5\x2f\xfd", _Zstd, 1024),  # 4 bytes can stand for 128 KB: at most 32 MB at once
)
_DAMAGED: Final = (lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError, EOFError, ValueError)


def unpacked(source: Source) -> Source:
    """Give what is inside all compression; ``source`` itself where there is none. Raises: BadImage."""
    for _ in range(LAYERS_MAX):
        head = source.peek(6)
        if head.startswith(ZIP_MAGIC):
            source = Source(Zipped(source, lambda: Zlib(-15)).some)
            continue
        form = _format(head)
        if form is None:
            return source
        source = Source(Unpacked(source, form).some)
    if _format(source.peek(6)) is not None:
        raise BadImage(f"it is packed more than {LAYERS_MAX} times", hint="Unpack it first.")
    return source


class Unpacked:
    """The content of a compressed stream, member after member."""

    def __init__(self, source: Source, form: _Format) -> None:
        self._source = source
        self._form = form
        self._engine: Engine | None = None
        self._members = 0

    def some(self, size: int) -> bytes:
        """Give up to about ``size`` bytes, b"" at the end. Raises: BadImage."""
        while True:
            engine = self._engine or self._next_member()
            if engine is None:
                return b""
            data = b""
            if engine.needs_input:
                data = self._source.some(self._form.feed_bytes)
                if not data:
                    raise truncated(f"the {self._form.name} data")
            out = self._unpack(engine, data, size)
            if engine.eof:
                self._source.unread(engine.unused_data)
                self._engine = None
            if out:
                return out

    def _unpack(self, engine: Engine, data: bytes, size: int) -> bytes:
        try:
            return engine.decompress(data, size)
        except _DAMAGED as error:
            raise BadImage(
                f"the {self._form.name} data is damaged: {error}", hint="Fetch it again, and compare its check sum."
            ) from error

    def _next_member(self) -> Engine | None:
        """Begin the next member; None at the end. What follows that is no member is passed over, as gzip(1) does."""
        while self._members and self._source.peek(1) == b"\0":
            self._source.read(1)  # padding
        while self._form.name == "zstd" and (head := self._source.peek(8))[1:4] == SKIPPABLE:
            _skip(self._source, 8 + int.from_bytes(head[4:8], "little"))
        if not self._source.peek(6).startswith(self._form.magic):
            if not self._members:
                raise truncated(f"the {self._form.name} data")
            return None
        self._members += 1
        self._engine = self._form.engine()
        return self._engine


def _format(head: bytes) -> _Format | None:
    if head[1:4] == SKIPPABLE and 0x50 <= head[0] <= 0x5F:
        return FORMATS[-1]
    return next((form for form in FORMATS if head.startswith(form.magic)), None)


def _skip(source: Source, size: int) -> None:
    while size:
        size -= len(source.exactly(min(size, 65_536), "the zstd data"))
