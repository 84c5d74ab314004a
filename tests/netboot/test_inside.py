"""Paths inside an untrusted root, and what is mounted below a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.images.leftovers import loops_below
from graped.netboot.inside import folder_inside, resolve
from graped.netboot.mountinfo import mounts_below

TABLE = """\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 21 0:5 / /dev rw - devtmpfs devtmpfs rw
40 21 0:30 / /srv/images rw - tmpfs a rw
41 40 7:0 / /srv/images/.partial-x/mount ro shared:1 - ext4 /dev/loop0 ro
42 21 0:31 / /srv/images-old rw - tmpfs b rw
43 41 0:32 / /srv/images/.partial-x/mount/with\\040blank\\134 rw - tmpfs c rw
44 41 0:33 / /srv/images/.partial-x/mount/with\\040blank\\134 rw - tmpfs d rw
"""


def test_mounts_are_listed_so_that_they_can_be_undone() -> None:
    blank = Path("/srv/images/.partial-x/mount/with blank\\")
    assert mounts_below(Path("/srv/images/.partial-x"), TABLE) == (blank, blank, Path("/srv/images/.partial-x/mount"))
    assert mounts_below(Path("/srv/images"), TABLE)[-1] == Path("/srv/images")
    assert mounts_below(Path("/srv/im"), TABLE) == ()


def test_loop_devices_of_files_below_a_folder(tmp_path: Path) -> None:
    for name, file in (("loop0", "/srv/x/spool.img"), ("loop1", "/srv/xy/a"), ("loop7", "/srv/x/a/b (deleted)")):
        (tmp_path / name / "loop").mkdir(parents=True)
        (tmp_path / name / "loop/backing_file").write_text(f"{file}\n")
    (tmp_path / "loop2").mkdir()
    assert loops_below(Path("/srv/x"), tmp_path) == ("/dev/loop0", "/dev/loop7")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/dash").touch()
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/sh").symlink_to("/bin/dash")
    (root / "up").symlink_to("../../../../etc")
    (root / "loop").symlink_to("loop")
    (tmp_path / "etc").mkdir()
    return root


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("bin/sh", "usr/bin/dash"),
        ("/bin/sh", "usr/bin/dash"),
        ("../../bin/sh", "usr/bin/dash"),
        ("usr/../bin/./dash", "usr/bin/dash"),
        ("", "."),
        ("up", None),
        ("up/passwd", None),
        ("loop", None),
        ("bin/dash/x", None),
        ("nothing", None),
    ],
)
def test_a_path_is_what_it_is_inside(root: Path, path: str, found: str | None) -> None:
    assert resolve(root, path) == (None if found is None else root / found)


@given(parts=st.lists(st.sampled_from(["bin", "usr", "up", "..", ".", "loop", "sh", "", "etc"]), max_size=8))
def test_no_path_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    root = tmp_path_factory.getbasetemp() / "inside"
    if not root.exists():
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/up").symlink_to("../../..")
        (root / "bin").symlink_to("/usr/bin")
        (root / "usr/bin/sh").symlink_to("../../../../bin/up")
        (root / "up").symlink_to("..")
    found = resolve(root, "/".join(parts))
    assert found is None or found == root or root in found.parents
    assert found is None or os.path.realpath(found) == str(found)


def test_a_folder_is_opened_without_links(root: Path) -> None:
    with folder_inside(root, "usr/bin") as descriptor:
        assert sorted(os.listdir(descriptor)) == ["dash", "sh"]
    for path in ("bin", "up", "usr/bin/dash", "usr/../usr", "nothing"):
        with pytest.raises(OSError, match=r"."), folder_inside(root, path):
            pytest.fail(path)
