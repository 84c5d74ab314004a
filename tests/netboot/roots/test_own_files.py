"""Files written into a tree whose owner wants to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graped.errors import BadImage
from graped.netboot.roots.own_files import Inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


def test_what_is_written_is_read_and_has_its_mode(root: Path) -> None:
    mask = os.umask(0o077)
    try:
        Inside(root).write("etc/a/b/key", b"x", mode=0o644, folder_mode=0o750)
    finally:
        os.umask(mask)
    assert Inside(root).read("etc/a/b/key") == b"x"
    assert (root / "etc/a/b/key").stat().st_mode == 0o100644
    assert (root / "etc/a/b").stat().st_mode == 0o40750
    assert os.listdir(root / "etc/a/b") == ["key"]


@pytest.mark.parametrize("target", ["../outside", "/", "etc"])
def test_a_folder_that_is_a_link_is_refused(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    with pytest.raises(BadImage, match="link"):
        Inside(root).write("link/file", b"x")
    with pytest.raises(BadImage, match="link"):
        Inside(root).write("link/deeper/file", b"x")
    assert Inside(root).read("link/secret") is None
    assert not (root / "link" / "file").exists()


def test_a_file_that_is_a_link_is_replaced_not_followed(root: Path) -> None:
    secret = root.parent / "outside" / "secret"
    (root / "etc" / "hosts").symlink_to(secret)
    os.link(secret, root / "etc" / "fstab")
    assert Inside(root).read("etc/hosts") is None
    Inside(root).write("etc/hosts", b"new")
    Inside(root).write("etc/fstab", b"new")
    assert secret.read_text() == "secret"
    assert (root / "etc" / "hosts").read_text() == "new"


def test_a_pipe_does_not_hold_us_and_a_device_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "etc" / "hosts")
    assert Inside(root).read("etc/hosts") is None
    Inside(root).write("etc/hosts", b"new")
    assert (root / "etc" / "hosts").read_bytes() == b"new"


def test_a_folder_in_the_place_of_a_file_is_told_and_nothing_is_left(root: Path) -> None:
    (root / "etc" / "hosts").mkdir()
    with pytest.raises(BadImage, match="folder"):
        Inside(root).write("etc/hosts", b"new")
    assert os.listdir(root / "etc") == ["hosts"]


def test_a_file_that_fills_our_memory_is_refused(root: Path) -> None:
    with (root / "etc" / "hosts").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(BadImage, match="larger"):
        Inside(root).read("etc/hosts")


@pytest.mark.parametrize("name", ["", "/etc/hosts", "../x", "etc/../../x", "etc//x", "./x", "etc/"])
def test_a_name_is_relative_and_plain(root: Path, name: str) -> None:
    for act in (lambda: Inside(root).read(name), lambda: Inside(root).write(name, b"")):
        with pytest.raises(ValueError, match="not a name"):
            act()
