"""What an NFS client holds of a file is its handle: it must stay good over everything that happens to an overlay."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from graped.config.types import Strategy
from graped.netboot.roots.kernel import file_handle, open_handle
from tests.netboot.roots.rig import NODE, OTHER, Rig, change_much

NAMES = ("etc/issue", "usr/bin/tool", "usr/bin/twin", "usr/lib", "var/log", "srv", ".")


def read_by_handle(mount: Path, handle: tuple[int, bytes]) -> bytes:
    descriptor = open_handle(mount, *handle)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def all_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def remount(rig: Rig) -> None:
    rig.unmount_all()
    assert rig.fresh().mount_all() == {}


def test_handles_stay_good_over_a_change_and_a_remount(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    root = rig.root()
    before = {name: file_handle(root / name) for name in NAMES}
    assert all(len(data) <= 56 for _, data in before.values())  # what knfsd has room for in NFSv3's 64 bytes
    (root / "etc/issue").write_text("changed\n")
    (root / "var/log/new").write_text("x")
    assert {name: file_handle(root / name) for name in NAMES} == before
    remount(rig)
    assert {name: file_handle(root / name) for name in NAMES} == before
    assert read_by_handle(root, before["etc/issue"]) == b"changed\n"
    folder = open_handle(root, *before["var/log"])
    assert sorted(os.listdir(folder)) == ["new", "old"]
    os.close(folder)


def test_the_handle_of_a_removed_file_is_stale(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    handle = file_handle(rig.root() / "var/log/old")
    (rig.root() / "var/log/old").unlink()
    remount(rig)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
        open_handle(rig.root(), *handle)


def test_the_copy_of_a_snapshot_is_the_same_tree_with_good_handles(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    change_much(rig.root())
    shutil.rmtree(rig.root() / "srv")
    (rig.root() / "srv").mkdir()  # opaque: nothing of the image shows through
    before = {path.relative_to(rig.root()): path.read_bytes() for path in all_files(rig.root())}
    rig.snapshot("changed")
    rig.reset()
    rig.rollback("changed")
    root = rig.root()
    assert {path.relative_to(root): path.read_bytes() for path in all_files(root)} == before
    assert os.listdir(root / "srv") == []
    # The file with two names, changed through one of them, is still one file: this is what the index is for.
    assert (root / "usr/bin/tool").read_bytes() == (root / "usr/bin/twin").read_bytes()
    assert (root / "usr/bin/tool").read_bytes().endswith(b"more")
    handles = {path: file_handle(path) for path in all_files(root)}
    (root / "usr/bin/tool").open("ab").write(b"again")
    (root / "usr/lib/moved/er/file").write_text("changed below a moved folder\n")
    remount(rig)
    assert {path: file_handle(path) for path in all_files(root)} == handles
    for path, handle in handles.items():
        assert read_by_handle(root, handle) == path.read_bytes()
    assert (root / "usr/bin/twin").read_bytes().endswith(b"again")
    assert rig.intact()


def test_a_snapshot_of_a_snapshot_of_a_snapshot(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    change_much(rig.root())
    for number in range(3):
        (rig.root() / "usr/bin/tool").open("ab").write(b"%d" % number)
        rig.snapshot(f"s{number}")
        rig.rollback(f"s{number}")
    remount(rig)
    assert (rig.root() / "usr/bin/twin").read_bytes().endswith(b"more012")
    assert (rig.root() / "usr/lib/moved/er/file").read_text() == "deep\n"


def test_a_snapshot_is_not_touched_by_what_comes_after(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    rig.create(Strategy.OVERLAY, OTHER)
    change_much(rig.root())
    rig.snapshot("mine")
    home = rig.folder / "roots" / NODE / "2" / "upper"
    before = {path: path.read_bytes() for path in all_files(home)}
    shutil.rmtree(rig.root() / "usr")
    (rig.root() / "etc/issue").write_text("later")
    remount(rig)
    assert {path: path.read_bytes() for path in all_files(home)} == before
