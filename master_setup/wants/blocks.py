"""Our lines in files of others."""

from __future__ import annotations

from dataclasses import dataclass

from graped.errors import GrapeError
from master_setup import places
from master_setup.machine import Machine
from master_setup.record import Memory, digest
from master_setup.wants.base import Difference, kind
from master_setup.wants.files import unified


@kind
@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines of ours in a file that is not ours, between two marks, at its end. ``name`` tells two blocks apart."""

    path: str
    text: str
    name: str = ""
    comment: str = "#"
    then: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"block {self.path} {self.name}".strip()

    def differs(self, machine: Machine) -> Difference | None:
        old = machine.read(self.path)
        new = self._with(old or b"")
        if old == new:
            return None
        return Difference(summary=f"edit {self.path}", diff=unified(self.path, old or b"", new))

    def make(self, machine: Machine, memory: Memory) -> None:
        path = machine.path(self.path)
        places.remember(machine, memory, self.path)
        places.make_parents(path, machine.root)
        about = places.found(path)
        if about["kind"] == "link":
            raise GrapeError(f"{self.path} is a link: it is not edited", hint="Edit the file that it leads to by hand.")
        new = self._with(machine.read(self.path) or b"")
        mode = about.get("mode", 0o644)
        places.put(path, new, mode=mode, owner=places.owner_of(machine, about) if "uid" in about else None)
        if self.then:
            machine.run(*self.then)
        memory.finish(places.found(path))

    def undo(self, machine: Machine, memory: Memory) -> None:
        now = machine.read(self.path)
        if now is not None and (not memory.finished or digest(now) == memory.made["digest"]):
            places.bring_back(machine, memory, self.path)
        elif now is not None:
            self._take_out(machine, memory, now)
        if self.then:
            machine.run(*self.then)

    def _take_out(self, machine: Machine, memory: Memory, now: bytes) -> None:
        """Take our lines, and nothing else, out of a file that somebody has edited since."""
        path, was = machine.path(self.path), memory.was
        rest = _cut(now.decode(errors="surrogateescape"), *self._marks()).encode(errors="surrogateescape")
        old = memory.kept(was["digest"]) if was["kind"] == "file" else b""
        if rest in (old, old + b"\n"):  # it was only another block of ours
            places.bring_back(machine, memory, self.path)
        else:
            about = places.found(path)
            places.put(path, rest, mode=about["mode"], owner=places.owner_of(machine, about))

    def _marks(self) -> tuple[str, str]:
        return _marks(self.name, self.comment)

    def _with(self, old: bytes) -> bytes:
        """Put our lines where they are already, else at the end."""
        begin, end = self._marks()
        text = self.text if self.text.endswith("\n") else self.text + "\n"
        block, whole = f"{begin}\n{text}{end}\n", old.decode(errors="surrogateescape")
        before, ours, after = _parts(whole, begin, end)
        if not ours and before and not before.endswith("\n"):
            before += "\n"
        return f"{before}{block}{after}".encode(errors="surrogateescape")


def without_block(text: str, *, name: str = "", comment: str = "#") -> str:
    """Return a text as it is without our lines in it."""
    return _cut(text, *_marks(name, comment))


def _marks(name: str, comment: str) -> tuple[str, str]:
    of = f"grape-setup {name}".strip()
    return f"{comment} begin of {of}", f"{comment} end of {of}"


def _cut(text: str, begin: str, end: str) -> str:
    """Take out what stands between our marks."""
    before, _, after = _parts(text, begin, end)
    return before + after


def _parts(text: str, begin: str, end: str) -> tuple[str, str, str]:
    """Return what stands before our marks, our lines with them, and what stands behind.

    A mark without its partner is a line as any other.
    """
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\r\n") for line in lines]
    if begin in bare and end in bare[bare.index(begin) :]:
        first = bare.index(begin)
        last = bare.index(end, first) + 1
        return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])
    return text, "", ""
