"""Writable copies of versions in which somebody works by hand, until they become a version or are thrown away.

A workspace is a folder and a record beside it: it survives a restart of graped and a reboot of the master, and goes
only by ``commit`` or ``drop``. Whoever is in it holds a lock, so that it is not pulled away under a shell.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import InUse, NotFound
from graped.files import sync_folder, write_atomic
from graped.netboot.images.clone import clone_tree
from graped.netboot.images.container import enter_argv
from graped.netboot.images.edits import carry_out
from graped.netboot.images.emulate import emulation_of
from graped.netboot.images.leftovers import clear
from graped.netboot.images.record import ImageRecord, check_name
from graped.netboot.images.store import Draft, ImageStore
from graped.netboot.images.system import KEEP_PREPARED
from graped.netboot.images.tree import Tree
from graped.work import Work

PARTIAL: Final = ".partial-"
SHELL: Final = ("/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One copy to work in. ``path`` is its root folder on the master."""

    id: str
    path: Path
    image: str  # the full ref that it began as
    arch: str
    prepared: bool
    note: str
    made: float  # unix seconds


class Workspaces:
    """All workspaces below one folder, which must be on the file system of the store's."""

    def __init__(self, folder: Path, store: ImageStore) -> None:
        self._folder = folder
        self._store = store

    def recover(self) -> tuple[str, ...]:
        """Remove what was half made or half dropped; at the start. Return its names."""
        if not self._folder.is_dir():
            return ()
        known = {workspace.id for workspace in self.all()}
        junk = [path for path in self._folder.iterdir() if path.is_dir() and path.name not in known]
        for path in junk:
            clear(path, self._store.runner)
        lost = [path for path in self._folder.glob("*.json") if not path.with_suffix("").is_dir()]
        for path in lost:
            path.unlink()
        return tuple(sorted(path.name for path in [*junk, *lost]))

    def all(self) -> tuple[Workspace, ...]:
        """Every workspace, the newest last."""
        found = [self._read(path) for path in self._folder.glob("*.json")] if self._folder.is_dir() else []
        return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.made, one.id)))

    def get(self, text: str) -> Workspace:
        """Find one by its id. Raises: NotFound."""
        for workspace in self.all():
            if workspace.id == text:
                return workspace
        raise NotFound(f"there is no workspace {text!r}")

    def open(self, record: ImageRecord, work: Work) -> Workspace:
        """Copy a version to work in. Raises: NoSpace, Cancelled."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(4)
        partial = self._folder / f"{PARTIAL}{name}"
        partial.mkdir(mode=0o700)
        try:
            clone_tree(self._store.root(record), partial / "root", work)
            self._store.step("cloned")
            os.rename(partial, self._folder / name)
        except BaseException:
            clear(partial, self._store.runner)
            raise
        sync_folder(self._folder)
        values = {"image": record.ref, "arch": record.arch, "prepared": record.prepared, "note": record.note}
        values |= {"made_by": "Grape", "made": self._store.wall()}
        write_atomic(self._folder / f"{name}.json", json.dumps(values) + "\n")
        self._store.step("opened")
        return self.get(name)

    def shell(self, workspace: Workspace, *, network: bool = True) -> tuple[str, ...]:
        """The command line that gives a shell in it to root on this machine, at a terminal. Raises: BadImage."""
        emulation = emulation_of(workspace.path, workspace.arch, SHELL)
        return enter_argv(
            workspace.path,
            emulation.command,
            network=network,
            binds=emulation.binds,
            lock=workspace.path.parent,
        )

    def commit(self, text: str, name: str, work: Work) -> ImageRecord:
        """Make it a version ("" for ``name``: of the same name); it is no workspace any more then.

        Raises: NotFound, InUse, NoSpace, BadImage, Cancelled; the workspace stays then as it is.
        """
        workspace = self.get(text)
        name = name or workspace.image.partition("@")[0]
        check_name(name)
        with self._alone(workspace):
            if workspace.prepared:
                carry_out(Tree(workspace.path), KEEP_PREPARED)
            draft = Draft(self._store, name, workspace.path.parent)  # sealed where it is
            record = draft.seal(
                source=f"worked on in {workspace.image}",
                parent=workspace.image,
                prepared=workspace.prepared,
                note=workspace.note,
                work=work,
            )
        (self._folder / f"{workspace.id}.json").unlink(missing_ok=True)
        return record

    def drop(self, text: str) -> None:
        """Throw it away. Raises: NotFound, InUse."""
        workspace = self.get(text)
        with self._alone(workspace):
            os.rename(workspace.path.parent, self._folder / f"{PARTIAL}{workspace.id}")
            sync_folder(self._folder)
            self._store.step("out of sight")
            (self._folder / f"{workspace.id}.json").unlink(missing_ok=True)
            clear(self._folder / f"{PARTIAL}{workspace.id}", self._store.runner)

    @contextmanager
    def _alone(self, workspace: Workspace) -> Iterator[None]:
        """Hold it while nobody is in it. Raises: InUse."""
        folder = os.open(workspace.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(f"somebody is in the workspace {workspace.id}", hint="Leave its shell first.") from None
            yield
        finally:
            os.close(folder)

    def _read(self, path: Path) -> Workspace | None:
        root = path.with_suffix("") / "root"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if root.is_dir():
                values = json.loads(path.read_text())
                kinds = {"image": str, "arch": str, "prepared": bool, "note": str, "made": float}
                return Workspace(id=path.stem, path=root, **{key: kind(values[key]) for key, kind in kinds.items()})
        return None
