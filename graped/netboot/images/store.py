"""The store of image versions: a folder in which a version is there whole or not at all.

``<name>@<digest>/`` holds ``root/``, ``image.json`` and ``manifest``; ``.partial-*`` is what somebody is at, or was
when the power went. A version appears and goes by one rename; nobody writes into it in between.
"""

from __future__ import annotations

import difflib
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from graped.errors import BadImage, Conflict, NotFound, ServerError
from graped.files import sync_folder, write_atomic
from graped.netboot.images.copy import copy_tree, measure
from graped.netboot.images.diff import Change, compare, node_key, pairs
from graped.netboot.images.digest import check_manifest, nodes, read_manifest, write_manifest
from graped.netboot.images.incoming import unpack_stream
from graped.netboot.images.leftovers import clear
from graped.netboot.images.look import architecture, boot_folder
from graped.netboot.images.record import ImageRecord, check_name, from_json, to_json
from graped.netboot.images.space import disk_errors
from graped.runner import Runner
from graped.work import Work

PARTIAL: Final = ".partial-"
SYNC_S: Final = 3600.0  # a gigabyte onto an old SD card takes minutes


class ImageStore:
    """All image versions below one folder. ``step`` is told what was just done: tests die there.

    ``in_unit``: commands in images are started by systemd, outside of graped's sandbox.
    """

    def __init__(
        self,
        folder: Path,
        runner: Runner,
        wall: Callable[[], float],
        *,
        in_unit: bool = False,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self.in_unit = in_unit
        self.runner = runner
        self.wall = wall
        self.step = step

    def recover(self) -> tuple[str, ...]:
        """Remove what is half done, its mounts and loop devices; at the start, before anybody is at work.

        Returns what was removed. What cannot be removed stays for the next time: it is never listed.
        """
        if not self.folder.is_dir():
            return ()
        removed = []
        for place in sorted(self.folder.glob(f"{PARTIAL}*")):
            try:
                clear(place, self.runner)
            except ServerError:
                continue
            removed.append(place.name)
        return tuple(removed)

    def all(self) -> tuple[ImageRecord, ...]:
        """Every version, by name, the newest last. A folder whose record cannot be read is none."""
        if not self.folder.is_dir():
            return ()
        records = []
        for place in self.folder.iterdir():
            if place.name.startswith("."):
                continue
            try:
                record = from_json((place / "image.json").read_text())
            except (OSError, BadImage):
                continue
            if record.ref == place.name:
                records.append(record)
        return tuple(sorted(records, key=lambda record: (record.name, record.created, record.digest)))

    def find(self, text: str) -> ImageRecord:
        """Find by name (its newest), by ``name@`` and some digits, or in full. Raises: NotFound, Conflict."""
        name, at, digits = text.partition("@")
        records = self.all()
        found = [record for record in records if record.name == name and record.digest.startswith(digits)]
        if not found or (at and not digits):
            raise NotFound(f"there is no image {text!r}", hint=_nearest(text, records))
        if at and len(found) > 1:
            refs = ", ".join(record.ref for record in found)
            raise Conflict(f"{text!r} may be {refs}", hint="Give more digits.")
        return found[-1]

    def known(self, record: ImageRecord) -> ImageRecord:
        """The record that is kept of the same tree under the same name. Raises: Conflict."""
        kept = next((kept for kept in self.all() if kept.ref == record.ref), None)
        if kept is None or kept.digest != record.digest:
            raise Conflict(f"{self.folder / record.ref} is in the way", hint="Its record is damaged: move it away.")
        return kept

    def root(self, record: ImageRecord) -> Path:
        """The tree of a version. Nobody may write into it."""
        return self.folder / record.ref / "root"

    def boot(self, record: ImageRecord) -> Path | None:
        """The folder with its boot files; None where it has none."""
        return self.root(record) / record.boot if record.boot else None

    def import_stream(
        self, name: str, stream: BinaryIO, source: str, work: Work, *, size_bytes: int | None = None
    ) -> ImageRecord:
        """Make a version of what ``stream`` gives: a tar archive or a disk image, plain or packed, by its first bytes.

        ``source`` says where it is from, for people; ``size_bytes`` how long it is, where that is known.
        Raises: BadImage, NoSpace, Cancelled, CommandFailed, RequestError for a bad name; nothing is left then.
        """
        with self.draft(name) as draft:
            unpack_stream(stream.read, draft.place, self.runner, work, self.step, size_bytes)
            return draft.seal(source=source, work=work)

    def import_tree(self, name: str, tree: Path, source: str, work: Work) -> ImageRecord:
        """Make a version of a directory. Raises: NoSpace, BadImage, Cancelled, and as :meth:`draft`."""
        if not tree.is_dir():
            raise BadImage(f"{tree} is no folder", hint="Give the root folder of a system.")
        with self.draft(name) as draft:
            copy_tree(tree, draft.path, work)
            self.step("copied")
            return draft.seal(source=source, work=work)

    def draft(self, name: str) -> Draft:
        """Begin a version: an empty folder to be filled. Raises: RequestError for a bad name, NoSpace."""
        check_name(name)
        with disk_errors(f"beginning image {name}"):
            # 0700: images hold programs set to root; the TFTP server's group is let through later
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{name}-", dir=self.folder))
            (place / "root").mkdir(mode=0o755)
        self.step("begun")
        return Draft(self, name, place)

    def remove(self, record: ImageRecord) -> None:
        """Remove a version that nobody uses (the caller has looked): out of sight at once, then from the disk."""
        grave = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}rm-{record.name}-", dir=self.folder))
        self.step("grave made")
        try:
            os.rename(self.folder / record.ref, grave)
        except FileNotFoundError:
            grave.rmdir()
            raise NotFound(f"there is no image {record.ref!r}") from None
        sync_folder(self.folder)
        self.step("out of sight")
        clear(grave, self.runner)
        self.step("removed")

    def verify(self, record: ImageRecord, work: Work) -> tuple[Change, ...]:
        """Compare a version with what it was when it was sealed; nothing is to be different.

        Progress: bytes of the phase "verify". Raises: BadImage where its manifest is not the one its name says.
        """
        place = self.folder / record.ref
        check_manifest(place / "manifest", record.digest)
        work.phase("verify", measure(place / "root", work).size_bytes)
        rows = pairs(read_manifest(place / "manifest"), nodes(place / "root", work), node_key)
        return tuple(change for old, new in rows if (change := compare(old, new, lambda: True)) is not None)


class Draft:
    """A version in the making. ``path`` is the root to be filled; beside it is room for what is needed meanwhile."""

    def __init__(self, store: ImageStore, name: str, place: Path) -> None:
        self._store = store
        self.name = name
        self.place = place
        self.path = place / "root"
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not sealed."""
        if not self._done:
            self.drop()

    def seal(self, *, source: str, parent: str = "", prepared: bool = False, note: str = "", work: Work) -> ImageRecord:
        """Make it a version: digest, record, everything onto the disk, into its place by one rename.

        A tree that is there already under this name stays as it is, and its record is the answer. Anything beside
        ``path`` must be gone, nothing may be mounted. Progress: bytes of "digest", then "sync".
        Raises: NoSpace, BadImage, Cancelled; the draft is then still there, to be dropped.
        """
        store = self._store
        with disk_errors(f"finishing image {self.name}"):
            work.phase("digest", measure(self.path, work).size_bytes)
            (self.place / "manifest").unlink(missing_ok=True)  # of a try before, which was cancelled
            total = write_manifest(self.path, self.place / "manifest", work)
            store.step("manifest")
            record = ImageRecord(
                name=self.name,
                digest=total.digest,
                created=store.wall(),
                source=source,
                parent=parent,
                arch=architecture(self.path),
                boot=boot_folder(self.path),
                size_bytes=total.size_bytes,
                files=total.files,
                prepared=prepared,
                note=note,
            )
            write_atomic(self.place / "image.json", to_json(record))
            self.place.chmod(0o755)  # the TFTP server reads boot files by way of it
            store.step("record")
            work.phase("sync", unit="")
            store.runner.run(("sync", "--file-system", str(self.place)), timeout_s=SYNC_S)
            store.step("synced")
            return self._place(record)

    def drop(self) -> None:
        """Give it up: remove all of it, also what is mounted in it."""
        self._done = True
        clear(self.place, self._store.runner)

    def _place(self, record: ImageRecord) -> ImageRecord:
        store = self._store
        goal = store.folder / record.ref
        try:
            os.rename(self.place, goal)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            self.drop()
            return store.known(record)
        self._done = True
        store.step("renamed")
        sync_folder(store.folder)
        store.step("sealed")
        return record


def _nearest(text: str, records: tuple[ImageRecord, ...]) -> str:
    known = {record.ref for record in records} | {record.name for record in records}
    near = difflib.get_close_matches(text, sorted(known), n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "See `grapecli image list`." if records else "Import one: `grapecli image import`."
