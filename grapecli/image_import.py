"""``grapecli image import``: a file or folder that we open, sent to graped as it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from grapecli import working
from grapecli.frame import Command, pass_session
from graped.errors import GrapeError
from graped.terminal.failure import Interrupted
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from grapecli.words import Json
    from grapecli.working import View

_ENDINGS = re.compile(r"(\.(img|iso|raw|tar|tgz|txz|tbz2?|tzst|xz|gz|bz2|zst|zip))+$", re.IGNORECASE)
_NAME_MAX = 48
_TAR = ("--create", "--file=-", "--xattrs", "--xattrs-include=*", "--sparse", "--numeric-owner", "--one-file-system",
        "--format=posix")  # fmt: skip


class NotReadable(GrapeError):
    """What was to be imported cannot be read."""

    code = "not_readable"
    title = "This cannot be read"


def guessed_name(path: str) -> str:
    """Guess an image's name of a file's: ``2026-11-24-raspios-lite.img.xz`` -> ``2026-11-24-raspios-lite``."""
    name = _ENDINGS.sub("", Path(path).resolve().name if path in (".", "..") else Path(path).name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("-._")[:_NAME_MAX]


@click.command("import", cls=Command)
@click.option("--name", metavar="NAME", help="Name of the image (default: that of the file, without its endings).")
@working.options
@click.argument("path", metavar="FILE|FOLDER|-", type=click.Path())
@pass_session
def import_image(session: Session, path: str, name: str | None, wait: bool, timeout: float | None) -> int:
    """Import a disk image (.img), a tar, both also packed (xz, gz, bz2, zstd, zip), or a folder. "-" is stdin.

    The file is read with your rights and sent to graped. A folder is sent as a tar: as root, so that owners,
    attributes and devices are kept.
    """
    name = name or ("" if path == "-" else guessed_name(path))
    if not name:
        raise click.UsageError("There is no name to guess; give one with --name.")
    view = working.choose(session)
    try:
        job = _sent(session, path, name, view)
    except BaseException:
        view.close()
        raise
    return working.finish(session, job, wait=wait, timeout=timeout, view=view)


def _sent(session: Session, path: str, name: str, view: View) -> Json:
    """Send it; the answer is the job that it became. Raises: NotReadable, Interrupted."""
    try:
        with _opened(session, path) as (stream, size):
            job: Json = session.client().upload(
                "/v1/images",
                stream,
                size_bytes=size,
                progress=lambda sent: view.show("upload", sent, size, "bytes"),
                name=name,
                source="stdin" if path == "-" else os.path.abspath(path),
            )
    except KeyboardInterrupt:
        raise Interrupted("The upload was broken off; nothing of it is kept.") from None
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror or error}") from error
    return job


@contextmanager
def _opened(session: Session, path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open what is to be sent; its length where that is known."""
    if path == "-":
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stream:  # a Ctrl-C is seen between reads
            yield stream, None
    elif os.path.isdir(path):
        with _tar(session, path) as stream:
            yield stream, None
    else:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            regular = os.path.isfile(path)
            yield stream, status.st_size if regular else None


@contextmanager
def _tar(session: Session, folder: str) -> Iterator[BinaryIO]:
    """Read a folder as GNU tar writes it; a tar that fails is an error at its end."""
    if os.geteuid() != 0:
        session.note("Not root: what you may not read is missed, and everything will belong to its present owner.")
    try:
        argv = ("tar", *_TAR, f"--directory={folder}", ".")
        process = subprocess.Popen(argv, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except FileNotFoundError:
        raise NotReadable("tar is not installed", hint="sudo apt install tar") from None
    assert process.stdout is not None
    try:
        yield _Judged(process)  # type: ignore[misc]  # it is read, and that is all
    finally:
        process.stdout.close()
        process.terminate()
        process.wait()


class _Judged:
    """A program's output that ends in an error where the program does: a tar cut short must not look whole."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def read(self, size: int) -> bytes:
        """Read so much, or what is left. Raises: NotReadable."""
        assert self._process.stdout is not None
        piece = self._process.stdout.read(size)
        if not piece and self._process.wait() > 1:  # 1: a file changed while it was read
            raise NotReadable(f"tar ended with code {self._process.returncode}", hint="It has said why above.")
        return piece
