"""A small image and the roots of nodes on it, for real."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from graped.config.types import Strategy
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.mountinfo import mounted_below
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.mounts import DirectMounts, Mounts
from graped.netboot.roots.records import RootRecord
from graped.netboot.roots.roots import Roots
from graped.runner import SubprocessRunner
from graped.work import Work

NODE, OTHER = "worker-0-0", "worker-0-1"


def identity(node: str = NODE) -> Identity:
    return Identity(
        hostname=node,
        domain="grape",
        machine_id=f"{abs(hash(node)):032x}"[-32:],
        master=IPv4Address("10.77.0.1"),
        authorized_keys=("ssh-ed25519 AAAA grape",),
        ntp=("10.77.0.1",),
    )


class Rig:
    """A folder of netbooting with one image in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = SubprocessRunner()
        self.images = ImageStore(folder / "images", self.runner, lambda: 1.0)
        self.image = self.make_image("base", "one")
        self.roots = self.fresh()

    def fresh(self, *, mounts: Mounts | None = None, step: Callable[[str], None] = lambda _: None) -> Roots:
        """As a graped that has just started."""
        ticks = itertools.count(100)
        direct = DirectMounts(self.folder, self.runner)
        return Roots(self.folder, self.images, mounts or direct, self.runner, lambda: float(next(ticks)), step=step)

    def make_image(self, name: str, word: str) -> ImageRecord:
        tree = self.folder / f"tree-{name}"
        for part in ("etc", "root", "usr/bin", "usr/lib/deep/er", "var/log", "srv"):
            (tree / part).mkdir(parents=True)
        (tree / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 builder\n")
        (tree / "etc/issue").write_text(f"{word}\n")
        (tree / "usr/bin/tool").write_bytes(word.encode() * 20_000)
        os.link(tree / "usr/bin/tool", tree / "usr/bin/twin")
        (tree / "usr/bin/tool").chmod(0o4755)
        (tree / "usr/lib/deep/er/file").write_text("deep\n")
        (tree / "usr/lib/link").symlink_to("deep/er/file")
        (tree / "var/log/old").write_text("old\n")
        os.chown(tree / "var/log/old", 104, 4)
        os.setxattr(tree / "etc/issue", "user.colour", b"purple")
        os.mknod(tree / "srv/null", 0o20666, os.makedev(1, 3))
        (tree / "srv/null").chmod(0o666)  # whatever the umask is
        tree.chmod(0o755)
        return self.images.import_tree(name, tree, "a test", Work())

    def create(self, strategy: Strategy, node: str = NODE, image: ImageRecord | None = None) -> RootRecord:
        return self.roots.create(node, image or self.image, strategy, identity(node), Work())

    def reset(self, node: str = NODE) -> RootRecord:
        return self.roots.reset(node, identity(node), Work())

    def snapshot(self, label: str, node: str = NODE) -> RootRecord:
        return self.roots.snapshot(node, label, Work())

    def rollback(self, label: str | None = None, node: str = NODE) -> RootRecord:
        return self.roots.rollback(node, label, identity(node), Work())

    def root(self, node: str = NODE) -> Path:
        return self.roots.export_path(node)

    def diff(self, node: str = NODE) -> list[tuple[str, str, str]]:
        return [(change.kind.value, change.path, change.what) for change in self.roots.diff(node, Work())]

    def intact(self) -> bool:
        return all(self.images.verify(image, Work()) == () for image in self.images.all())

    def mounted(self) -> list[str]:
        """Name all mounts below roots/."""
        below = self.folder / "roots"
        return sorted(str(point.relative_to(below)) for point in mounted_below(below))

    def unmount_all(self) -> None:
        """As after a reboot of the master: no root is mounted."""
        for point in mounted_below(self.folder / "roots"):
            self.runner.run(("umount", str(point)), timeout_s=10.0)

    def there(self) -> dict[str, list[str]]:
        """List all generations on the disk, by node, and whatever else is there."""
        roots = self.folder / "roots"
        homes = sorted(roots.iterdir()) if roots.is_dir() else []
        return {home.name: sorted(one.name for one in home.iterdir() if one.name != "root.json") for home in homes}


def change_much(root: Path) -> None:
    """Do to a root what nodes do."""
    (root / "new").write_text("new\n")
    (root / "etc/issue").write_text("changed\n")
    (root / "usr/bin/twin").open("ab").write(b"more")
    (root / "var/log/old").unlink()
    (root / "usr/lib/deep").rename(root / "usr/lib/moved")
    (root / "srv/null").chmod(0o600)
    (root / "var/log").chmod(0o700)
    (root / "var/run").mkdir()
    (root / "var/run/pid").write_text("1\n")


CHANGES = [
    ("changed", "etc/issue", "content"),
    ("added", "new", ""),
    ("meta", "srv/null", "mode 0666 -> 0600"),
    ("removed", "usr/lib/deep", ""),
    ("removed", "usr/lib/deep/er", ""),
    ("removed", "usr/lib/deep/er/file", ""),
    ("added", "usr/lib/moved", ""),
    ("added", "usr/lib/moved/er", ""),
    ("added", "usr/lib/moved/er/file", ""),
    ("meta", "var/log", "mode 0755 -> 0700"),
    ("removed", "var/log/old", ""),
    ("added", "var/run", ""),
    ("added", "var/run/pid", ""),
]


def told(changes: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Leave out the file with two names, of which either may be told."""
    twin = [change for change in changes if change[1] in ("usr/bin/tool", "usr/bin/twin")]
    assert [(kind, what) for kind, _, what in twin] == [("changed", "content")]
    return [change for change in changes if change not in twin]


def renamed(one: Identity, hostname: str) -> Identity:
    return replace(one, hostname=hostname)
