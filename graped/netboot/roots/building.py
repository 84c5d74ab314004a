"""Make one generation, step by step; it counts only when the node's record names it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from graped.config.types import Strategy
from graped.errors import GrapeError
from graped.netboot.images.leftovers import clear
from graped.netboot.images.space import disk_errors
from graped.netboot.mountinfo import mounted_below
from graped.netboot.roots.btrfs import Btrfs
from graped.netboot.roots.identity import Identity, personalise, stamps
from graped.netboot.roots.kernel import sync_file_system
from graped.netboot.roots.mounting import in_use
from graped.netboot.roots.mounts import Mounts, check_mounted
from graped.netboot.roots.overlay import Overlay, lay_folders
from graped.netboot.roots.records import Layout, Making, write_making
from graped.netboot.roots.strategies import Copy, Ephemeral, Way
from graped.runner import Runner
from graped.work import Work

Step = Callable[[str], None]  # called before each step: a test may end everything there


class Builder:
    """Fills, mounts, personalises and destroys generations."""

    def __init__(self, layout: Layout, mounts: Mounts, runner: Runner, step: Step) -> None:
        self._layout = layout
        self._mounts = mounts
        self._step = step
        self._runner = runner
        self._btrfs = Btrfs(layout.roots / ".bases", runner)
        self._ways: dict[Strategy, Way] = {
            Strategy.OVERLAY: Overlay(runner),
            Strategy.BTRFS: self._btrfs,
            Strategy.REFLINK: Copy(reflink=True),
            Strategy.COPY: Copy(reflink=False),
            Strategy.EPHEMERAL: Ephemeral(),
        }

    def make(self, node: str, generation: str, making: Making, identity: Identity, work: Work) -> None:
        """Make a fresh root and mount it. Raises what its steps raise; then nothing of it is left."""
        home, lower = self._home(node, generation), self._layout.folder / making.lower
        if making.strategy is not Strategy.EPHEMERAL:
            making = replace(making, personal=stamps(lower, identity))
        with self._undone(node, generation, making):
            self._begin(node, generation, making)
            self._step("fill")
            self._ways[making.strategy].make(lower, home, work)
            self._step("personalise")
            match making.strategy:
                case Strategy.OVERLAY:
                    lay_folders(lower, home / "upper", [name for name, stamp in making.personal.items() if stamp])
                    personalise(home / "upper", identity, base=lower)
                case Strategy.EPHEMERAL:
                    self._write_private(node, identity, lower)
                case _:
                    personalise(home / "fs", identity)
            self._step("mount")
            self.mount(node, generation, making)
            self._sync()

    def clone(
        self, node: str, generation: str, making: Making, source: str, identity: Identity | None, work: Work
    ) -> None:
        """Make a copy of a root; with an ``identity`` it is mounted and becomes that node."""
        with self._undone(node, generation, making):
            self._begin(node, generation, making)
            self._step("fill")
            self._ways[making.strategy].clone(self._home(node, source), self._home(node, generation), work)
            if identity is not None:
                self.enter(node, generation, making, identity)
            else:
                self._sync()

    def enter(self, node: str, generation: str, making: Making, identity: Identity) -> None:
        """Mount a root that has lived, write the node's files into it, and note them."""
        self._step("mount")
        self.mount(node, generation, making)
        self._step("personalise")
        personalise(self._layout.root(node, generation), identity)
        self._step("note")
        personal = stamps(self._layout.folder / making.lower, identity)
        write_making(self._layout, node, generation, replace(making, personal=personal))
        self._sync()

    def mount(self, node: str, generation: str, making: Making) -> None:
        """Have a root where its export is. Raises GrapeError."""
        if making.strategy is Strategy.OVERLAY:
            self._mounts.mount(node, generation)
            check_mounted(self._mounts, node, generation)
        elif not self.path(node, generation, making).is_dir():
            raise GrapeError(f"root {generation} of {node} is gone", hint=f"grapecli node reset {node}")

    def destroy(self, node: str, generation: str, strategy: Strategy | None) -> None:
        """Unmount and remove a generation. Raises InUse: then it is as before."""
        self._mounts.unmount(node, generation)
        home = self._home(node, generation)
        if mounted_below(home):
            raise in_use(node, generation)  # by whomever: nothing below a mount is ever removed
        if strategy is Strategy.BTRFS:
            self._btrfs.delete_root(home)
        clear(home, self._runner)  # patiently: a cp of a graped that was killed may still write into it

    def drop_bases(self, needed: frozenset[str]) -> tuple[str, ...]:
        """Remove what is kept of images for btrfs and no root needs."""
        return self._btrfs.drop_bases(needed)

    def path(self, node: str, generation: str, making: Making) -> Path:
        """Where the tree is that a node mounts as its root."""
        if making.strategy is Strategy.EPHEMERAL:
            return self._layout.folder / making.lower
        return self._layout.root(node, generation)

    def _begin(self, node: str, generation: str, making: Making) -> None:
        self._step("folder")
        self._home(node, generation).mkdir(mode=0o755)
        self._step("making")
        write_making(self._layout, node, generation, making, sync=False)

    def _sync(self) -> None:
        self._step("sync")
        sync_file_system(self._layout.roots)

    @contextlib.contextmanager
    def _undone(self, node: str, generation: str, making: Making) -> Iterator[None]:
        try:
            with disk_errors(f"making root {generation} of {node}"):
                yield
        except BaseException:
            # What cannot be removed now is removed at the next start: no record names it.
            with contextlib.suppress(GrapeError, OSError):
                self.destroy(node, generation, making.strategy)
            raise

    def _write_private(self, node: str, identity: Identity, image: Path) -> None:
        """Write the files of an ephemeral node; its folder stays the same one, because it may be mounted."""
        private = self._layout.private(node)
        private.parent.mkdir(mode=0o700, exist_ok=True)
        private.mkdir(mode=0o755, exist_ok=True)
        written = personalise(private, identity, base=image)
        for above, _, names in os.walk(private):
            for path in (Path(above, name) for name in names):
                if str(path.relative_to(private)) not in written:
                    path.unlink()  # of an earlier identity

    def _home(self, node: str, generation: str) -> Path:
        return self._layout.generation(node, generation)
