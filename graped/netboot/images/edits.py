"""What is to be changed in a root, as values: planned from the tree, told to people, applied."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from graped.netboot.images.tree import Tree


class Edit(Protocol):
    """One change of one name in a root."""

    @property
    def path(self) -> str: ...

    def done(self, tree: Tree) -> bool:
        """Whether the tree is so already."""
        ...

    def apply(self, tree: Tree) -> None:
        """Make it so. Raises: BadImage."""
        ...


Step = Callable[[Tree], Iterator[Edit]]
"""A part of a plan: says how it wants a tree to be, whether or not it is so already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A file with this content. ``mode`` None: the one it has, else 0644."""

    path: str
    content: bytes
    mode: int | None = None

    def done(self, tree: Tree) -> bool:
        """Whether a regular file has this content and mode."""
        status = tree.status(self.path)
        if status is None or not stat.S_ISREG(status.st_mode) or tree.read(self.path) != self.content:
            return False
        return self.mode is None or stat.S_IMODE(status.st_mode) == self.mode

    def apply(self, tree: Tree) -> None:
        """Write it beside, and rename."""
        mode = self.mode
        if mode is None:
            status = tree.status(self.path)
            mode = stat.S_IMODE(status.st_mode) if status and stat.S_ISREG(status.st_mode) else 0o644
        tree.write(self.path, self.content, mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link."""

    path: str
    target: str

    def done(self, tree: Tree) -> bool:
        """Whether it points there."""
        return tree.target(self.path) == self.target

    def apply(self, tree: Tree) -> None:
        """Make it beside, and rename."""
        tree.link(self.path, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """No file or link of this name."""

    path: str

    def done(self, tree: Tree) -> bool:
        """Whether nothing has this name."""
        return tree.status(self.path) is None

    def apply(self, tree: Tree) -> None:
        """Unlink it."""
        tree.remove(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFolder:
    """No folder of this name, if there is nothing in it."""

    path: str

    def done(self, tree: Tree) -> bool:
        """Whether it is gone, or used."""
        return not tree.is_folder(self.path) or bool(tree.names(self.path))

    def apply(self, tree: Tree) -> None:
        """Remove it."""
        tree.remove_folder(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder, perhaps by way of a link."""

    path: str
    mode: int = 0o755

    def done(self, tree: Tree) -> bool:
        """Whether something of this name is found."""
        return tree.exists(self.path)

    def apply(self, tree: Tree) -> None:
        """Make it and those above it."""
        tree.make_folder(self.path, self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setuid:
    """A program that runs as root, whoever starts it."""

    path: str

    def done(self, tree: Tree) -> bool:
        """Whether the bit is set."""
        status = tree.status(self.path)
        return status is None or bool(status.st_mode & stat.S_ISUID)

    def apply(self, tree: Tree) -> None:
        """Set the bit."""
        status = tree.status(self.path)
        if status is not None:
            tree.chmod(self.path, stat.S_IMODE(status.st_mode) | stat.S_ISUID)


def plan(tree: Tree, steps: Iterable[Step]) -> tuple[Edit, ...]:
    """What these steps would change in a tree."""
    return tuple(edit for step in steps for edit in step(tree) if not edit.done(tree))


def carry_out(tree: Tree, steps: Iterable[Step]) -> tuple[Edit, ...]:
    """Change a tree, one step after the other, each planned from what the one before has left; return the changes."""
    made: list[Edit] = []
    for step in steps:
        edits = plan(tree, [step])
        for edit in edits:
            edit.apply(tree)
        made += edits
    return tuple(made)
