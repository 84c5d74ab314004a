"""What a build gives out: ``NAME.img.xz``, ``NAME.img.xz.sha256`` and ``NAME.img.bmap``, all of them or none."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import RequestError
from graped.files import sync_folder
from graped.runner import Runner
from master_setup.image.feed import feed, pieces_of
from master_setup.image.progress import Progress, Tell

SUFFIX: Final = ".img.xz"
TOOL_S: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The files of one image."""

    image: Path  # NAME.img.xz

    @property
    def checksum(self) -> Path:
        """In the format of ``sha256sum --check``."""
        return self.image.with_name(f"{self.image.name}.sha256")

    @property
    def bmap(self) -> Path:
        """Which blocks hold something, with their checksums: bmaptool finds it by its name."""
        return self.image.with_name(f"{self.image.name.removesuffix('.xz')}.bmap")

    @property
    def files(self) -> tuple[Path, ...]:
        """All three; the image last, so that with it everything is there."""
        return (self.bmap, self.checksum, self.image)


def release(out: Path) -> Release:
    """Name the files of an image. Raises: RequestError."""
    if not out.name.endswith(SUFFIX) or out.name == SUFFIX:
        raise RequestError(f"{out} does not end in {SUFFIX}", hint=f"Write --out NAME{SUFFIX}.")
    if not out.parent.is_dir():
        raise RequestError(f"there is no folder {out.parent}")
    return Release(image=out)


def pack(disk: Path, into: Path, name: str, *, level: int, runner: Runner, tell: Tell) -> Release:
    """Make the files of ``disk`` in the folder ``into``. Raises: CommandFailed."""
    made = Release(image=into / name)
    tell(Progress(phase="block map"))
    runner.run(("bmaptool", "--quiet", "create", "--output", str(made.bmap), str(disk)), timeout_s=TOOL_S)
    squeeze = ("xz", f"-{level}", "--threads=0", "--check=crc64", "--stdout")
    feed(squeeze, pieces_of(disk, "compress", tell), made.image)
    total = hashlib.sha256()
    for piece in pieces_of(made.image, "checksum", tell):
        total.update(piece)
    made.checksum.write_text(f"{total.hexdigest()}  {name}\n")
    return made


def publish(made: Release, wanted: Release) -> None:
    """Put finished files to where they were asked for, on the same file system: each is there whole or not at all."""
    for source in made.files:
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
    for source, target in zip(made.files, wanted.files, strict=True):
        os.replace(source, target)
    sync_folder(wanted.image.parent)
