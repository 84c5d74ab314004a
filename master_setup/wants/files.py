"""Files, links and folders of ours."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import Any, Final

from graped.errors import GrapeError
from master_setup import accounts, places
from master_setup.machine import Machine
from master_setup.record import BACKUPS, Memory, digest
from master_setup.wants.base import Difference, Kept, kind

STOP_S: Final = 180.0
GROUP_MAY_READ: Final = 0o044  # a file that neither group nor others may read is a secret: its text is not shown


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A whole file of ours. ``keep``: only made where there is none.

    ``then`` is a program to run after it changed; ``before_undo`` one to run before it is taken away.
    """

    path: str
    content: str | bytes = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    keep: bool = False
    then: tuple[str, ...] = ()
    before_undo: tuple[str, ...] = ()
    shown: bool = True  # whether a plan has the text: pages to read are told by their name alone

    @property
    def key(self) -> str:
        return f"file {self.path}"

    @property
    def data(self) -> bytes:
        """Return the wanted bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    def differs(self, machine: Machine) -> Difference | None:
        about = places.found(machine.path(self.path))
        if self.keep and about["kind"] == "file":
            return None
        if about["kind"] == "folder":
            raise GrapeError(f"{self.path} is a folder, where a file is wanted", hint="Move it away.")
        if about["kind"] != "file":
            return Difference(summary=f"create {self.path}", diff=self._diff(b""))
        if about["digest"] != digest(self.data):
            old = machine.path(self.path).read_bytes()
            return Difference(summary=f"change {self.path}", diff=self._diff(old))
        if about["mode"] != self.mode or (machine.can_chown and (about["uid"], about["gid"]) != self._ids(machine)):
            wanted = f"{self.owner}:{self.group} {self.mode:04o}"
            return Difference(summary=f"change mode or owner of {self.path} to {wanted}")
        return None

    def make(self, machine: Machine, memory: Memory) -> None:
        path = machine.path(self.path)
        places.remember(machine, memory, self.path)
        places.make_parents(path, machine.root)
        uid, gid = self._ids(machine)
        if machine.can_chown and (uid is None or gid is None):
            raise GrapeError(f"{self.path} is to belong to {self.owner}:{self.group}, and there is no such account")
        owner = (uid, gid) if uid is not None and gid is not None and machine.can_chown else None
        places.put(path, self.data, mode=self.mode, owner=owner)
        if self.then:
            machine.run(*self.then)
        memory.finish(places.found(path))

    def undo(self, machine: Machine, memory: Memory) -> None:
        if self.before_undo and machine.exists(self.path):
            machine.run(*self.before_undo, timeout_s=STOP_S)
        _keep_what_others_changed(machine, memory, self.path)
        places.bring_back(machine, memory, self.path)
        if self.then:
            machine.run(*self.then)

    def _ids(self, machine: Machine) -> tuple[int | None, int | None]:
        return accounts.uid(machine, self.owner), accounts.gid(machine, self.group)

    def _diff(self, old: bytes) -> str:
        if not self.shown or not self.mode & GROUP_MAY_READ:
            return ""
        return unified(self.path, old, self.data)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link."""

    path: str
    target: str

    @property
    def key(self) -> str:
        return f"link {self.path}"

    def differs(self, machine: Machine) -> Difference | None:
        about = places.found(machine.path(self.path))
        if about["kind"] == "folder":
            raise GrapeError(f"{self.path} is a folder, where a link is wanted", hint="Move it away.")
        if about.get("target") == self.target:
            return None
        return Difference(summary=f"link {self.path} -> {self.target}")

    def make(self, machine: Machine, memory: Memory) -> None:
        places.remember(machine, memory, self.path)
        places.make_parents(machine.path(self.path), machine.root)
        places.put_link(machine.path(self.path), self.target)
        memory.finish(places.found(machine.path(self.path)))

    def undo(self, machine: Machine, memory: Memory) -> None:
        _keep_what_others_changed(machine, memory, self.path)
        places.bring_back(machine, memory, self.path)


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder. Undone, it goes only where it is empty; one that was there gets its mode and owner back."""

    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"

    @property
    def key(self) -> str:
        return f"folder {self.path}"

    def differs(self, machine: Machine) -> Difference | None:
        about = places.found(machine.path(self.path))
        if about["kind"] == "none":
            return Difference(summary=f"make folder {self.path}")
        if about["kind"] != "folder":
            raise GrapeError(f"{self.path} is not a folder", hint="Move it away.")
        wanted = accounts.uid(machine, self.owner), accounts.gid(machine, self.group)
        if about["mode"] != self.mode or (machine.can_chown and (about["uid"], about["gid"]) != wanted):
            return Difference(summary=f"change mode or owner of {self.path}")
        return None

    def make(self, machine: Machine, memory: Memory) -> None:
        path = machine.path(self.path)
        places.remember(machine, memory, self.path)
        places.make_parents(path, machine.root)
        path.mkdir(exist_ok=True)
        uid, gid = accounts.uid(machine, self.owner), accounts.gid(machine, self.group)
        if machine.can_chown:
            if uid is None or gid is None:
                raise GrapeError(f"{self.path} is to belong to {self.owner}:{self.group}, and there is no such account")
            os.chown(path, uid, gid)
        path.chmod(self.mode)
        memory.finish(places.found(path))

    def undo(self, machine: Machine, memory: Memory) -> None:
        path, was = machine.path(self.path), memory.was
        if was["kind"] == "folder" and path.is_dir():
            if machine.can_chown:
                os.chown(path, was["uid"], was["gid"])
            path.chmod(was["mode"])
        elif was["kind"] == "none" and path.is_dir():
            try:
                path.rmdir()
            except OSError:
                raise Kept(f"{self.path} is not empty: {', '.join(machine.names(self.path)[:5])}") from None
        places.remove_empty(machine, was["folders"])


def unified(path: str, old: bytes, new: bytes) -> str:
    """Return a unified diff, or a line that says that it is not text."""
    try:
        before, after = old.decode().splitlines(keepends=True), new.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return f"binary: {len(old)} -> {len(new)} bytes\n"
    lines = difflib.unified_diff(before, after, path if old else "/dev/null", path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _keep_what_others_changed(machine: Machine, memory: Memory, name: str) -> None:
    """Raise Kept where what is there is neither what we made nor what was there before."""
    now: dict[str, Any] = places.found(machine.path(name))
    if not memory.finished or places.same(now, memory.made) or now["kind"] == "none" == memory.was["kind"]:
        return
    if places.same({**now, "folders": memory.was["folders"]}, memory.was):
        return
    backup = str(memory.was["digest"]) if memory.was["kind"] == "file" else ""
    before = f"; as it was before Grape: {BACKUPS}/{backup}" if backup else ""
    raise Kept(f"{name} was changed after us and stays as it is{before}", backup=backup)
