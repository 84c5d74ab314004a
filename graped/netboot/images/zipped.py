"""Read the image out of a ZIP archive front to back: ``zipfile`` begins at the end, which a stream has not yet."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from graped.errors import BadImage
from graped.netboot.images.source import Source, truncated

ZIP_MAGIC: Final = b"PK\x03\x04"
HEADER: Final = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7, local file header
DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"  # 4.3.9
ENCRYPTED, SIZES_BEHIND = 1 << 0, 1 << 3  # 4.4.4
STORED, DEFLATED = 0, 8  # 4.4.5
LONG: Final = 0xFFFF_FFFF  # the size is in the ZIP64 field, 4.5.3
MEMBERS_MAX: Final = 1000
SUFFIXES: Final = (".img", ".tar", ".tgz", ".txz", ".xz", ".gz", ".bz2", ".zst")
WHAT: Final = "the zip archive"


class Inflate(Protocol):
    """What unpacks raw deflate data."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a local header says. ``size`` is that of the packed data, None where it is told behind it."""

    name: str
    method: int
    size: int | None
    crc: int | None


class Zipped:
    """The content of the first member whose name looks like an image."""

    def __init__(self, source: Source, inflate: Callable[[], Inflate]) -> None:
        self._source = source
        self._inflate = inflate
        self._member: Member | None = None
        self._engine: Inflate | None = None
        self._left = 0
        self._crc = 0
        self._done = False

    def some(self, size: int) -> bytes:
        """Give up to ``size`` bytes, b"" at the end. Raises: BadImage."""
        if self._member is None:
            self._find()
        data = self._piece(size)
        if not data and self._source.peek(4):  # the other members and the list of all say nothing more
            self._source.drain(WHAT)
        return data

    def _find(self) -> None:
        for _ in range(MEMBERS_MAX):
            if self._source.peek(4) != ZIP_MAGIC:
                break
            self._begin(read_header(self._source))
            assert self._member is not None
            if self._member.name.lower().endswith(SUFFIXES):
                return
            while self._piece(65_536):
                pass
        raise BadImage("the zip archive holds no image", hint="A file in it is to end in .img or .tar.")

    def _begin(self, member: Member) -> None:
        self._member, self._crc, self._done = member, 0, False
        self._engine = self._inflate() if member.method == DEFLATED else None
        self._left = member.size or 0

    def _piece(self, size: int) -> bytes:
        """Give what comes next of this member; at its end look at its check sum."""
        if self._done:
            return b""
        data = self._stored(size) if self._engine is None else self._deflated(self._engine, size)
        self._crc = zlib.crc32(data, self._crc)
        if not data:
            self._end()
        return data

    def _stored(self, size: int) -> bytes:
        data = self._source.some(min(size, self._left))
        if not data and self._left:
            raise truncated(WHAT)
        self._left -= len(data)
        return data

    def _deflated(self, engine: Inflate, size: int) -> bytes:
        while not engine.eof:
            data = self._source.some(65_536) if engine.needs_input else b""
            if engine.needs_input and not data:
                raise truncated(WHAT)
            try:
                out = engine.decompress(data, size)
            except zlib.error as error:
                raise BadImage(f"the zip archive is damaged: {error}", hint="Fetch it again.") from error
            if engine.eof:
                self._source.unread(engine.unused_data)
            if out:
                return out
        return b""

    def _end(self) -> None:
        self._done = True
        assert self._member is not None
        crc = self._member.crc
        if crc is None:
            crc = _descriptor(self._source)
        if crc != self._crc:
            raise BadImage("the zip archive is damaged: a check sum differs", hint="Fetch it again.")


def read_header(source: Source) -> Member:
    """Read one local header. Raises: BadImage for what cannot be read front to back."""
    raw = source.exactly(HEADER.size, WHAT)
    _, _, flags, method, _, _, crc, packed, _, name_size, extra_size = HEADER.unpack(raw)
    name = source.exactly(name_size, WHAT).decode("utf-8", errors="replace")
    extra = source.exactly(extra_size, WHAT)
    behind = bool(flags & SIZES_BEHIND)
    if flags & ENCRYPTED:
        raise BadImage(f"{name!r} in the zip archive is encrypted", hint="Unpack it first.")
    if method not in (STORED, DEFLATED) or (method == STORED and behind):
        raise BadImage(f"{name!r} is packed in a way that cannot be streamed", hint="Unpack the zip archive first.")
    if packed == LONG and not behind:
        packed = _long_size(extra)
    return Member(name=name, method=method, size=None if behind else packed, crc=None if behind else crc)


def _long_size(extra: bytes) -> int:
    """The packed size from the ZIP64 field (id 1), where the whole size comes first. Source: APPNOTE.TXT 4.5.3."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1 and size >= 16:
            return int.from_bytes(extra[12:20], "little")
        extra = extra[4 + size :]
    raise BadImage("the zip archive is damaged: a size is missing", hint="Fetch it again.")


def _descriptor(source: Source) -> int:
    """Read what stands behind a member: a check sum, and sizes of 4 or 8 bytes."""
    if source.peek(4) == DESCRIPTOR_MAGIC:
        source.read(4)
    crc = int.from_bytes(source.exactly(4, WHAT), "little")
    short = source.peek(10)[8:10] == b"PK"
    source.exactly(8 if short else 16, WHAT)
    return crc
