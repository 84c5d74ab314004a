"""Edits in a root that wants us to leave it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import BadImage
from graped.netboot.images.edits import Folder, Link, Remove, Setuid, Write, carry_out, plan
from graped.netboot.images.tree import LIMIT_BYTES, Tree


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the master's, beside the root."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "lib").symlink_to("usr/lib")
    (root / "opt").symlink_to("/usr/lib")  # absolute: means the root's
    return Tree(root)


def test_links_inside_are_followed_as_in_the_root(tree: Tree) -> None:
    tree.write("lib/a", b"1", 0o644)
    tree.write("opt/b/c", b"2", 0o600)
    assert (tree.root / "usr/lib/a").read_bytes() == b"1"
    assert (tree.root / "usr/lib/b/c").read_bytes() == b"2"
    assert tree.read("usr/lib/b/c") == b"2"
    assert stat.S_IMODE((tree.root / "usr/lib/b/c").stat().st_mode) == 0o600
    assert tree.names("opt") == ("a", "b")


def test_links_that_lead_out_reach_nothing_outside(tree: Tree, outside: Path) -> None:
    (tree.root / "etc/absolute").symlink_to(outside)
    (tree.root / "etc/relative").symlink_to("../../outside")
    (tree.root / "etc/file").symlink_to(outside / "secret")
    for name in ("etc/absolute/secret", "etc/relative/secret", "etc/file", "../outside/secret", "etc/../../outside"):
        assert tree.read(name) is None, name
        assert not tree.names(name)
    for name in ("etc/absolute/new", "etc/relative/new"):
        with pytest.raises(BadImage):
            tree.write(name, b"x", 0o644)
    tree.write("etc/file", b"ours", 0o644)  # the link itself is replaced
    tree.remove("etc/absolute/secret")
    tree.remove("etc/relative")
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert not (tree.root / "etc/file").is_symlink()


def test_what_is_no_regular_file_is_not_read(tree: Tree) -> None:
    os.mkfifo(tree.root / "etc/pipe")
    (tree.root / "etc/loop").symlink_to("loop")
    assert tree.read("etc/pipe") is None
    assert tree.read("etc") is None
    assert tree.read("etc/loop") is None
    assert tree.read("") is None
    with (tree.root / "etc/huge").open("wb") as file:
        file.truncate(LIMIT_BYTES + 1)
    with pytest.raises(BadImage, match="more than"):
        tree.read("etc/huge")


def test_a_file_where_a_folder_should_be_is_told(tree: Tree) -> None:
    tree.write("etc/x", b"", 0o644)
    with pytest.raises(BadImage):
        tree.write("etc/x/y", b"", 0o644)
    with pytest.raises(BadImage):
        tree.remove("usr/lib")
    with pytest.raises(BadImage):
        tree.write("usr/lib", b"", 0o644)
    with pytest.raises(BadImage):
        tree.chmod("lib", 0o755)
    assert not list(tree.root.rglob(".grape-*")), "nothing half written is left"


def test_edits_are_done_once(tree: Tree) -> None:
    tree.write("usr/lib/ping", b"", 0o755)
    edits = (
        Write(path="etc/a", content=b"text", mode=0o600),
        Write(path="etc/b", content=b"text"),
        Link(path="etc/c", target="/nowhere"),
        Remove(path="etc/gone"),
        Folder(path="srv/x"),
        Setuid(path="usr/lib/ping"),
    )
    assert len(carry_out(tree, [lambda _: iter(edits)])) == 5
    assert carry_out(tree, [lambda _: iter(edits)]) == ()
    assert stat.S_IMODE((tree.root / "usr/lib/ping").stat().st_mode) == 0o4755
    (tree.root / "etc/a").chmod(0o644)
    assert plan(tree, [lambda _: iter(edits)]) == (edits[0],)


def test_a_mode_that_nobody_asked_for_stays(tree: Tree) -> None:
    tree.write("etc/a", b"1", 0o640)
    Write(path="etc/a", content=b"2").apply(tree)
    assert stat.S_IMODE((tree.root / "etc/a").stat().st_mode) == 0o640


NAMES = st.sampled_from(["a", "b", "c"])
TARGETS = st.sampled_from(["a", "b/c", "..", "../..", "/", "/a", "../../outside", "/../../outside", "c", "."])
PATHS = st.lists(st.sampled_from(["a", "b", "c", "..", "secret"]), min_size=1, max_size=5).map("/".join)


@given(links=st.dictionaries(NAMES, TARGETS), inner=st.dictionaries(NAMES, TARGETS), path=PATHS)
def test_nothing_outside_is_ever_touched(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, str], inner: dict[str, str], path: str
) -> None:
    place = tmp_path_factory.mktemp("any")
    (place / "outside").mkdir()
    (place / "outside/secret").write_text("secret")
    root = place / "root"
    (root / "folder").mkdir(parents=True)
    for folder, some in ((root, links), (root / "folder", inner)):
        for name, target in some.items():
            (folder / name).symlink_to(target)
    tree = Tree(root)
    assert tree.read(path) != b"secret"
    for change in (
        Write(path=path, content=b"x"),
        Link(path=path, target="x"),
        Remove(path=path),
        Folder(path=f"{path}/d"),
    ):
        try:
            change.apply(tree)
        except (BadImage, FileNotFoundError):
            continue
    assert sorted(found.name for found in place.iterdir()) == ["outside", "root"]
    assert [found.name for found in (place / "outside").iterdir()] == ["secret"]
    assert (place / "outside/secret").read_text() == "secret"
