"""What the file system below the folder of netbooting can do for the NFS server, found out by doing it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from graped.config.types import NfsServer, Strategy
from graped.errors import Conflict, GrapeError
from graped.files import remove_tree
from graped.netboot.roots.btrfs import is_subvolume
from graped.netboot.roots.kernel import file_handle, share_blocks
from graped.netboot.roots.mounts import Mounts, check_mounted
from graped.netboot.roots.records import PROBE, Layout, Making, write_making
from graped.runner import Runner

ORDER: Final = (Strategy.OVERLAY, Strategy.BTRFS, Strategy.REFLINK, Strategy.COPY)  # what AUTO takes the first of
TIMEOUT_S: Final = 60.0
_GENERATION: Final = "1"


class Prober:
    """Tries each strategy once, in a folder of its own that is gone afterwards."""

    def __init__(self, layout: Layout, mounts: Mounts, runner: Runner, server: NfsServer) -> None:
        self._layout = layout
        self._server = server
        self._mounts = mounts
        self._runner = runner
        self._known: dict[Strategy, str] = {}

    def choose(self, strategy: Strategy) -> Strategy:
        """Return the strategy itself, or for AUTO the first that works. Raises Conflict where it cannot be done."""
        if strategy is Strategy.AUTO:
            return next(one for one in ORDER if not self.obstacle(one))
        obstacle = self.obstacle(strategy)
        if obstacle:
            raise Conflict(
                f"roots by {strategy} cannot be made below {self._layout.folder}: {obstacle}",
                hint="Set the strategy to auto, or put netboot.folder on another file system.",
            )
        return strategy

    def obstacle(self, strategy: Strategy) -> str:
        """Say why a strategy cannot be used here; "" where it can."""
        if strategy not in self._known:
            self._known[strategy] = self._try(strategy)
        return self._known[strategy]

    def _try(self, strategy: Strategy) -> str:
        ways = {Strategy.OVERLAY: self._overlay, Strategy.BTRFS: self._btrfs, Strategy.REFLINK: self._reflink}
        if strategy not in ways:
            return ""
        self.clean()
        home = self._layout.generation(PROBE, _GENERATION)
        home.mkdir(mode=0o700, parents=True)
        try:
            ways[strategy](home)
        except OSError as error:
            return error.strerror or str(error)
        except GrapeError as error:
            return error.detail
        finally:
            self.clean()
        return ""

    def clean(self) -> None:
        """Remove what a probe, perhaps one that was killed, has left."""
        self._mounts.unmount(PROBE, _GENERATION)
        home = self._layout.generation(PROBE, _GENERATION)
        for name in ("fs", "base"):
            if is_subvolume(home / name):
                self._btrfs_tool("delete", home / name)
        remove_tree(self._layout.node(PROBE))

    def _overlay(self, home: Path) -> None:
        """Mount one, and change a file by whose handle an NFS client knows it: the handle must stay."""
        for name in ("base", "upper", "work", "fs"):
            (home / name).mkdir()
        (home / "base" / "file").write_text("old")
        lower = str((home / "base").relative_to(self._layout.folder))
        write_making(
            self._layout, PROBE, _GENERATION, Making(image="", strategy=Strategy.OVERLAY, lower=lower, personal={})
        )
        self._mounts.mount(PROBE, _GENERATION)
        check_mounted(self._mounts, PROBE, _GENERATION)
        before = file_handle(home / "fs" / "file")
        (home / "fs" / "file").write_text("new")
        if file_handle(home / "fs" / "file") != before:
            raise OSError("file handles do not survive a change")
        if self._server is NfsServer.GANESHA and _id(home / "fs") == _id(home):
            raise OSError("NFS-Ganesha tells overlays apart only on Linux 6.6 or newer")

    def _btrfs(self, home: Path) -> None:
        if self._server is NfsServer.GANESHA:
            raise OSError("NFS-Ganesha, as Debian builds it, serves no btrfs subvolume")
        self._btrfs_tool("create", home / "base")
        self._btrfs_tool("snapshot", home / "base", home / "fs")

    def _reflink(self, home: Path) -> None:
        (home / "old").write_bytes(bytes(65_536))
        share_blocks(home / "old", home / "new")

    def _btrfs_tool(self, verb: str, *paths: Path) -> None:
        self._runner.run(("btrfs", "subvolume", verb, *map(str, paths)), timeout_s=TIMEOUT_S)


def _id(path: Path) -> int:
    """The id of the file system below a path, as its statfs has it."""
    return os.statvfs(path).f_fsid
