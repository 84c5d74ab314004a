"""Make files below one folder by names that strangers chose: every name is looked up part by part."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from graped.errors import BadImage
from graped.netboot.images.walk import DEPTH_MAX, FOLDER_FLAGS
from graped.netboot.inside import LINKS_MAX


def split(name: str) -> tuple[list[str], str]:
    """Split a member's name into the folders above it and its last part, "" for the root itself.

    Raises: BadImage for a name that is absolute, has ``..`` in it, or is absurdly deep.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadImage(f"the name {name[:200]!r} leads out of the image", hint="Make the archive with `tar -C ROOT .`.")
    if len(parts) > DEPTH_MAX:
        raise BadImage(f"folders are nested more than {DEPTH_MAX} deep at {name[:80]}...")
    return parts[:-1], parts[-1] if parts else ""


class Into:
    """A tree that is being filled. Nobody else writes into it; the danger is in links that were unpacked before."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, FOLDER_FLAGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._root)

    @contextmanager
    def folder(self, parts: Sequence[str]) -> Iterator[int]:
        """Open a folder below the root, making it where it is missing. A link inside the tree is followed.

        Raises: BadImage where a link is absolute, climbs out of the tree, or is no folder.
        """
        descriptor = self._open(parts)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def make_folder(self, folder: int, name: str) -> None:
        """Make a folder; one that is there already stays with its content; anything else makes room."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            os.mkdir(name, 0o700, dir_fd=folder)
            return
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=folder)
            os.mkdir(name, 0o700, dir_fd=folder)

    def make_room(self, folder: int, name: str) -> None:
        """Remove what has a member's name: the later of two wins. Raises: BadImage for a folder with content."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as error:
                raise BadImage(f"{name!r} in the archive is a folder, and then something else") from error

    def link(self, target: str, folder: int, name: str) -> None:
        """Make ``name`` a further name of ``target``, a member that came before. Raises: BadImage."""
        above, last = split(target)
        with self.folder(above) as place:
            try:
                if _inode(last, place) == _inode(name, folder) is not None:
                    return  # they are one already
                self.make_room(folder, name)
                os.link(last, name, src_dir_fd=place, dst_dir_fd=folder, follow_symlinks=False)
            except (FileNotFoundError, PermissionError) as error:
                raise BadImage(f"{name!r} in the archive is a link to {target!r}, which is not there") from error

    def _open(self, parts: Sequence[str]) -> int:
        todo, done, links = list(reversed(parts)), [os.dup(self._root)], 0
        try:
            while todo:
                part = todo.pop()
                if part == "..":
                    if len(done) == 1:
                        raise _leads_out("/".join(parts))
                    os.close(done.pop())
                    continue
                target = _step(done, part)
                if target is None:
                    continue
                links += 1
                if target.startswith("/") or links > LINKS_MAX:
                    raise _leads_out("/".join(parts))
                todo += [step for step in reversed(target.split("/")) if step not in ("", ".")]
                if len(todo) + len(done) > 2 * DEPTH_MAX:
                    raise _leads_out("/".join(parts))
            return done.pop()
        finally:
            for descriptor in done:
                os.close(descriptor)


def _step(done: list[int], part: str) -> str | None:
    """Go one folder deeper, or give the target of the link that is in its place."""
    here = done[-1]
    for _ in range(2):
        try:
            done.append(os.open(part, FOLDER_FLAGS, dir_fd=here))
        except FileNotFoundError:
            os.mkdir(part, 0o755, dir_fd=here)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            try:
                return os.readlink(part, dir_fd=here)
            except OSError:
                raise BadImage(f"{part!r} in the archive is a file, and then a folder") from error
        else:
            return None
    raise BadImage(f"{part!r} in the archive cannot be made a folder")


def _inode(name: str, folder: int) -> int | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def _leads_out(path: str) -> BadImage:
    return BadImage(f"{path[:200]!r} in the archive leads through a link out of the image")
