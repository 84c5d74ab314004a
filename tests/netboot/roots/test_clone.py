"""The copy of an overlay, after whatever was done to it: the same tree, with handles that lead to the same files."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graped.netboot.images.diff import diff_trees
from graped.netboot.roots.kernel import file_handle, open_handle
from graped.netboot.roots.mounting import mount_overlay
from graped.netboot.roots.overlay import Overlay
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.netboot.roots.test_changes import ACTS, do

NAMES = ("a", "twin", "d", "d/a", "d/third", "d/e", "d/e/f", "x", "x/a", "new")
acts = st.lists(
    st.tuples(st.sampled_from([*ACTS, "append", "hard", "remount"]), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    max_size=14,
)
Mount = Callable[[Path], Path]


@pytest.fixture
def place(disk: Callable[[str], Path]) -> Path:
    place = disk("ext4")
    for folder in ("lower/d/e", "lower/x"):
        (place / folder).mkdir(parents=True)
    for name in ("a", "d/a", "d/e/f", "x/a", "x/hidden"):
        (place / "lower" / name).write_text(f"image {name}")
    os.link(place / "lower/a", place / "lower/twin")
    os.link(place / "lower/a", place / "lower/d/third")
    return place


def mount(lower: Path, home: Path) -> Path:
    mount_overlay(lower, home, "test", SubprocessRunner())
    return home / "fs"


def umount(home: Path) -> None:
    SubprocessRunner().run(("umount", str(home / "fs")), timeout_s=10.0)


def act_on(lower: Path, home: Path, act: str, name: str, other: str) -> None:
    root = home / "fs"
    match act:
        case "remount":
            umount(home)
            mount(lower, home)
        case "append" if (root / name).is_file() and not (root / name).is_symlink():
            (root / name).open("ab").write(other.encode())
        case "hard":
            os.link(root / name, root / other, follow_symlinks=False)
        case _:
            do(root, act, name, other)


def check_handles(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        if path.is_symlink() or path.is_fifo():
            continue
        descriptor = open_handle(root, *file_handle(path))
        try:
            assert os.path.samestat(os.fstat(descriptor), path.stat())
            if path.is_dir():
                assert sorted(os.listdir(descriptor)) == sorted(os.listdir(path))
            else:
                assert os.read(descriptor, 1000) == path.read_bytes()
        finally:
            os.close(descriptor)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=acts, after=acts)
def test_a_copy_is_the_same_tree_and_lives_on_like_the_first(
    place: Path, before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    lower, way = place / "lower", Overlay(SubprocessRunner())
    first, second = (Path(tempfile.mkdtemp(dir=place)) for _ in range(2))
    way.make(lower, first, Work())
    mount(lower, first)
    for act in before:
        with suppress(OSError):  # not everything can be done at any time
            act_on(lower, first, *act)
    way.clone(first, second, Work())
    mount(lower, second)
    assert diff_trees(first / "fs", second / "fs", Work()) == ()
    check_handles(second / "fs")
    for act in after:  # what is done to both has the same end
        for home in (first, second):
            with suppress(OSError):
                act_on(lower, home, *act)
    assert diff_trees(first / "fs", second / "fs", Work()) == ()
    umount(second)
    check_handles(mount(lower, second))
    for home in (first, second):
        umount(home)


def test_a_copy_has_an_id_of_its_own_and_keeps_it(place: Path) -> None:
    lower, way = place / "lower", Overlay(SubprocessRunner())
    homes = [Path(tempfile.mkdtemp(dir=place)) for _ in range(3)]
    way.make(lower, homes[0], Work())
    mount(lower, homes[0])
    for source, copy in itertools.pairwise(homes):
        way.clone(source, copy, Work())
        mount(lower, copy)
    ids = [os.statvfs(home / "fs").f_fsid for home in homes]
    assert len({*ids, os.statvfs(place).f_fsid}) == 4
    for home in homes:
        umount(home)
        mount(lower, home)
    assert [os.statvfs(home / "fs").f_fsid for home in homes] == ids
    for home in homes:
        umount(home)


def test_a_root_that_an_older_kernel_has_mounted_gets_an_id_too(place: Path) -> None:
    lower, home = place / "lower", Path(tempfile.mkdtemp(dir=place))
    Overlay(SubprocessRunner()).make(lower, home, Work())
    os.setxattr(home / "upper", "trusted.overlay.impure", b"y")  # what it leaves behind
    mount(lower, home)
    assert os.statvfs(home / "fs").f_fsid != os.statvfs(place).f_fsid
    umount(home)
