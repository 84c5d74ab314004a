"""What is in a regular file: opened without side effects, holes passed over."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from graped.work import Work

BLOCK_BYTES: Final = 65_536
CHUNK_BYTES: Final = 1_048_576
ZEROS: Final = bytes(BLOCK_BYTES)


def open_regular(folder: int, name: str) -> int | None:
    """Open a file for reading; None where it is no regular file any more.

    It is looked at before it is opened: a node could put a device in its place, and to open one may do something.
    """
    try:
        place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)


def next_data(descriptor: int, position: int, size: int) -> int:
    """Where data begins at or behind ``position``; ``size`` where only a hole is left."""
    try:
        return min(os.lseek(descriptor, position, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that knows no holes
            return position
        raise


def data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of what is no hole."""
    position = next_data(descriptor, 0, size)
    while position < size:
        try:
            end = min(os.lseek(descriptor, position, os.SEEK_HOLE), size)
        except OSError:
            end = size
        yield position, end - position
        position = next_data(descriptor, end, size) if end < size else size


def content_digest(descriptor: int, size: int, work: Work) -> str:
    """SHA-256 of a content, the same whether its zeros are on disk or holes.

    Hashed are the size and each 64 KiB block that is not all zeros, with its number: a file of 300 GB with ten
    bytes in it (``/var/log/lastlog`` of a large site) must not take an hour.
    """
    total = hashlib.sha256(size.to_bytes(8, "big"))
    position = next_data(descriptor, 0, size)
    while position < size:
        number = position // BLOCK_BYTES
        block = _read_whole(descriptor, number * BLOCK_BYTES, min(BLOCK_BYTES, size - number * BLOCK_BYTES))
        if block != ZEROS[: len(block)]:
            total.update(number.to_bytes(8, "big"))
            total.update(block)
        work.advance(len(block))
        position = (number + 1) * BLOCK_BYTES
        if position < size:
            position = next_data(descriptor, position, size)
    return total.hexdigest()


def same_content(old: int, new: int, size: int, work: Work) -> bool:
    """Whether two files of ``size`` bytes hold the same, block by block; holes are zeros."""
    position = 0
    while position < size:
        position = min(next_data(old, position, size), next_data(new, position, size))
        length = min(CHUNK_BYTES, size - position)
        if length and _read_whole(old, position, length) != _read_whole(new, position, length):
            return False
        work.advance(length)
        position += length
    return True


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data``; the kernel may take it in parts."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read_whole(descriptor: int, offset: int, length: int) -> bytes:
    """Read ``length`` bytes; fewer only where the file has shrunk meanwhile."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
