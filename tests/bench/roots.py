"""A root for each of 48 nodes from one image: by overlay, and by the copy that netbooting guides make."""

from __future__ import annotations

import os
import time
from ipaddress import IPv4Address
from pathlib import Path

from graped.config.types import Strategy
from graped.errors import Conflict
from graped.netboot.images.store import ImageStore
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.mounts import DirectMounts
from graped.netboot.roots.roots import Roots
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.bench.rows import Row, span

TIME_AIM, DISK_AIM = 100, 500
FILE_BYTES = 50_000  # the mean of a Debian root without its few large files
TIME_CAUSE = "the disk takes 400 MB faster than it ends the syncs of one small root"
DISK_CAUSE = "folders and small files of a node take whole blocks"


def measure(room: Path, image_bytes: int, nodes: int, copies: int) -> list[Row]:
    """Make roots of an image of so many bytes; ``copies`` is for how many nodes it is copied. Nothing if not root."""
    if os.geteuid() != 0:
        return []
    megabytes = image_bytes // 1_000_000
    folder, runner = room / "netboot", SubprocessRunner()
    _write_tree(room / "tree", image_bytes)
    images = ImageStore(folder / "images", runner, time.time)
    image = images.import_tree("bench", room / "tree", "bench", Work())
    roots = Roots(folder, images, DirectMounts(folder, runner), runner, time.time)
    try:
        roots.choose(Strategy.OVERLAY)
    except Conflict as error:
        return [Row(what=f"a root from a {megabytes} MB image", figure=f"not measured: {error.detail}")]

    def make(strategy: Strategy, count: int) -> tuple[float, float]:
        """Return seconds and bytes a node."""
        names = [f"node-{strategy}-{number}" for number in range(count)]
        os.sync()
        began = time.monotonic()
        for name in names:
            roots.create(name, image, strategy, _identity(name), Work())
        took = time.monotonic() - began
        return took / count, sum(_disk_bytes(folder / "roots" / name) for name in names) / count

    try:
        overlay_s, overlay_bytes = make(Strategy.OVERLAY, nodes)
        copy_s, copy_bytes = make(Strategy.COPY, copies)
    finally:
        for name in roots.all():
            roots.remove(name)
    what = f"a root from a {megabytes} MB image, {{}}: by copy, mean of {copies} nodes"
    against = f"by overlay, mean of {nodes} nodes: "
    return [
        _row(what.format("time"), span(copy_s), against + span(overlay_s), copy_s / overlay_s, TIME_AIM, TIME_CAUSE),
        _row(
            what.format("disk"), f"{copy_bytes / 1e6:.1f} MB", f"{against}{overlay_bytes / 1e3:.0f} kB",
            copy_bytes / overlay_bytes, DISK_AIM, DISK_CAUSE,
        ),
    ]  # fmt: skip


def _row(what: str, figure: str, against: str, ratio: float, aim: int, cause: str) -> Row:
    return Row(what=what, figure=figure, against=against, ratio=ratio, aim=f">= {aim} x", met=ratio >= aim, cause=cause)


def _write_tree(tree: Path, total_bytes: int) -> None:
    for number in range(total_bytes // FILE_BYTES):
        folder = tree / f"usr/share/{number // 40}"
        if number % 40 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number}").write_bytes(os.urandom(FILE_BYTES))
    for name in ("etc/ssh", "root"):
        (tree / name).mkdir(parents=True)
    for name in ("etc/hosts", "etc/fstab", "etc/hostname", "etc/machine-id"):
        (tree / name).write_text("# of the image\n")


def _identity(name: str) -> Identity:
    return Identity(
        hostname=name, domain="grape", machine_id="0" * 32, master=IPv4Address("10.77.0.1"),
        authorized_keys=("ssh-ed25519 AAAA bench",), ntp=("10.77.0.1",),
    )  # fmt: skip


def _disk_bytes(folder: Path) -> int:
    """Count what a folder takes on its own file system, each file once."""
    device, sizes = folder.lstat().st_dev, {}
    for above, names, files in os.walk(folder):
        names[:] = [name for name in names if os.lstat(os.path.join(above, name)).st_dev == device]
        for status in (os.lstat(os.path.join(above, name)) for name in (".", *files)):
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())
