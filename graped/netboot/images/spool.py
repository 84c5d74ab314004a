"""Put a disk image onto the disk while it streams in: zeros as holes, and judged as early as can be."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from graped.errors import BadImage
from graped.netboot.images.content import BLOCK_BYTES, ZEROS, write_at
from graped.netboot.images.partitions import (
    HEAD_BYTES,
    SUPERBLOCK_BYTES,
    SUPERBLOCK_OFFSET,
    Ext,
    Partition,
    ext,
    has_extended,
    is_fat,
    partitions,
)
from graped.netboot.images.source import Source, truncated
from graped.netboot.images.space import Space, disk_errors, megabytes

PROBE_BYTES: Final = SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES
SIZE_MAX_BYTES: Final = 2 * 10**12  # a DOS table reaches no further
BEHIND_BYTES: Final = 64 * 10**9  # of a card that was copied whole: its unused rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the two file systems are. ``boot`` is None where the image has no FAT partition."""

    root: Partition
    ext: Ext
    boot: Partition | None


class Spool:
    """Takes the stream; knows at each moment which partitions it still has to see."""

    def __init__(self, path: Path, space: Space, parts: tuple[Partition, ...]) -> None:
        self._path = path
        self._space = space
        self._unseen = list(parts)
        self._linux: list[tuple[Partition, Ext]] = []
        self._fat: list[Partition] = []
        self._position = 0

    def take(self, source: Source) -> Layout:
        """Read as far as a partition reaches that is needed. Raises: BadImage, NoSpace, Cancelled."""
        with self._path.open("xb+", buffering=0) as stream, disk_errors("unpacking the disk image"):
            while self._position < (end := self._needed()):
                chunk = source.read(min(16 * BLOCK_BYTES, end - self._position))
                if not chunk:
                    raise truncated(f"the disk image (it has {megabytes(self._position)} of {megabytes(end)})")
                self._write(stream.fileno(), chunk)
                self._probe(stream.fileno())
            os.ftruncate(stream.fileno(), self._position)
        source.drain("the disk image", BEHIND_BYTES)
        return self._layout()

    def _needed(self) -> int:
        return max([self._known_end(), *(partition.start + PROBE_BYTES for partition in self._unseen)])

    def _known_end(self) -> int:
        return max((part.end for part in (*self._fat, *(part for part, _ in self._linux))), default=0)

    def _write(self, descriptor: int, chunk: bytes) -> None:
        for at in range(0, len(chunk), BLOCK_BYTES):
            block = chunk[at : at + BLOCK_BYTES]
            if block != ZEROS[: len(block)]:
                write_at(descriptor, block, self._position + at)
                self._space.used(len(block), "the disk image")
        self._position += len(chunk)

    def _probe(self, descriptor: int) -> None:
        """Look into partitions whose first bytes have come; refuse what cannot fit or be booted at once."""
        for partition in [part for part in self._unseen if part.start + PROBE_BYTES <= self._position]:
            self._unseen.remove(partition)
            first = os.pread(descriptor, PROBE_BYTES, partition.start)
            found = ext(first[SUPERBLOCK_OFFSET:].ljust(SUPERBLOCK_BYTES, b"\0"))
            if found is not None:
                self._judge(partition, found)
                self._linux.append((replace(partition, size=found.size), found))
            elif is_fat(first):
                self._fat.append(partition)
            if self._known_end() > SIZE_MAX_BYTES:
                raise BadImage(f"a partition claims to reach farther than {megabytes(SIZE_MAX_BYTES)}")
        if not self._unseen and not self._linux:
            raise _no_linux("none of its partitions holds an ext4 file system")

    def _judge(self, partition: Partition, found: Ext) -> None:
        if found.size > partition.size:
            raise BadImage("a file system is larger than its partition: the image is truncated or damaged")
        self._space.need(2 * found.used, "the image, unpacked and then copied out of its partition,")

    def _layout(self) -> Layout:
        root, found = max(self._linux, key=lambda linux: linux[1].used)
        before = [partition for partition in self._fat if partition.start < root.start]
        boot = before[-1] if before else next(iter(self._fat), None)
        return Layout(root=root, ext=found, boot=boot)


def spool(source: Source, path: Path, space: Space) -> Layout:
    """Write a disk image to ``path``, a new sparse file, and tell where its file systems are.

    Read is what the partitions need that hold a file system we know; the rest is passed over.
    Raises: BadImage, NoSpace, Cancelled.
    """
    head = source.peek(HEAD_BYTES)
    parts = partitions(head)
    found = ext(head[SUPERBLOCK_OFFSET : SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES])
    if not parts and found is not None:  # a file system without a partition table
        parts = (Partition(number=0, start=0, size=found.size),)
    if not parts:
        raise _no_linux("logical partitions are not looked into" if has_extended(head) else "it has no partitions")
    return Spool(path, space, parts).take(source)


def looks_like_disk(head: bytes) -> bool:
    """Whether a stream begins as a disk image does."""
    superblock = head[SUPERBLOCK_OFFSET : SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES]
    return head[510:512] == b"\x55\xaa" or ext(superblock) is not None


def _no_linux(why: str) -> BadImage:
    return BadImage(
        f"the disk image has no Linux partition: {why}",
        hint="Its root file system must be ext2, ext3 or ext4; of any other, import a tar archive.",
    )
