"""What kind of stream an import was given, and who takes it apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from graped.errors import BadImage
from graped.netboot.images.disk import unpack_disk
from graped.netboot.images.partitions import HEAD_BYTES
from graped.netboot.images.source import Source
from graped.netboot.images.space import Space
from graped.netboot.images.spool import looks_like_disk
from graped.netboot.images.tarball import looks_like_tar, unpack_tar
from graped.netboot.images.unpack import unpacked
from graped.runner import Runner
from graped.work import Work


def unpack_stream(
    take: Callable[[int], bytes],
    place: Path,
    runner: Runner,
    work: Work,
    step: Callable[[str], None],
    size_bytes: int | None = None,
) -> None:
    """Fill ``place/root`` from a tar archive or a disk image, packed or not; nothing else is left in ``place``.

    ``take(n)`` gives up to n bytes, b"" at the end. ``size_bytes`` is how many will come, where that is known.
    Progress: bytes of the stream in the phase "read"; a disk image has "copy" and "boot files" then.
    Raises: BadImage, NoSpace, Cancelled, CommandFailed.
    """
    work.phase("read", size_bytes)
    space = Space(place)
    space.need(1, "an image")
    source = unpacked(Source(take, work))
    head = source.peek(HEAD_BYTES)
    if looks_like_tar(head):
        unpack_tar(source, place / "root", space, work)
        step("unpacked")
    elif looks_like_disk(head):
        unpack_disk(source, place, runner, space, work, step)
    else:
        raise BadImage(
            "it is neither a tar archive nor a disk image" if head else "it is empty",
            hint="Give an .img or .tar, plain or packed with xz, gzip, bzip2, zstd or zip.",
        )
