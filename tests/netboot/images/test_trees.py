"""Trees: walked without following anything, copied whole, told apart by what counts."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import BadImage, Cancelled, NoSpace, ServerError
from graped.netboot.images.attributes import is_kept, read_xattrs, write_xattrs
from graped.netboot.images.content import content_digest, open_regular
from graped.netboot.images.copy import copy_tree, measure
from graped.netboot.images.diff import compare, diff_trees, node_key, pairs
from graped.netboot.images.digest import (
    Kind,
    Names,
    Node,
    describe,
    parse,
    read_manifest,
    tree_digest,
    with_content,
    write_manifest,
)
from graped.netboot.images.space import Space, disk_errors, megabytes
from graped.netboot.images.walk import DEPTH_MAX, order, walk
from graped.work import Progress, Work
from tests.netboot.images.building import add_socket, plain_tree, portrait, rich_tree, run
from tests.netboot.images.conftest import Disk


def changes(old: Path, new: Path) -> list[tuple[str, str, str]]:
    return [(str(change.kind), change.path, change.what) for change in diff_trees(old, new, Work())]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plain_tree(tmp_path / "tree")


@pytest.fixture
def twin(tree: Path, tmp_path: Path) -> Path:
    copy_tree(tree, tmp_path / "twin", Work())
    return tmp_path / "twin"


def test_a_walk_is_in_canonical_order(tree: Path) -> None:
    (tree / "a.b").mkdir()
    (tree / "a").mkdir()
    (tree / "a/c").touch()
    paths = [entry.path for entry in walk(tree)]
    assert paths == sorted(paths, key=order)
    assert paths.index("a/c") < paths.index("a.b")  # by parts: a slash is less than any character
    assert sorted(paths) == sorted(["", *(str(path.relative_to(tree)) for path in tree.rglob("*"))])


def test_a_walk_comes_back_to_each_folder(tree: Path) -> None:
    inside: list[str] = []
    for entry in walk(tree, leaving=True):
        if entry.leaving:
            assert inside.pop() == entry.path
        elif stat.S_ISDIR(entry.status.st_mode):
            inside.append(entry.path)
    assert inside == []


def test_a_folder_swapped_for_a_link_is_not_entered(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").touch()
    seen = []
    for entry in walk(tree):
        seen.append(entry.path)
        if entry.path == "etc":  # the walk has opened it already; what comes next is still what was there
            continue
        if entry.path == "":
            (tree / "var/lib/empty").rmdir()
            (tree / "var/lib/empty").symlink_to(tmp_path / "secret")
    assert not [path for path in seen if "key" in path]


def test_a_walk_passes_over_what_vanishes(tree: Path) -> None:
    for entry in walk(tree):
        if entry.path == "etc":
            (tree / "etc/hostname").unlink()
    assert not (tree / "etc/hostname").exists()


def test_a_walk_holds_no_descriptor_afterwards(tree: Path) -> None:
    before = os.listdir("/proc/self/fd")
    steps = walk(tree)
    for _ in range(4):
        next(steps)
    steps.close()  # type: ignore[attr-defined]
    list(walk(tree))
    assert os.listdir("/proc/self/fd") == before


def test_an_absurdly_deep_tree(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(DEPTH_MAX + 5):
        here = here / "d"
    here.mkdir(parents=True)
    with pytest.raises(BadImage, match="deep"):
        list(walk(tmp_path))


def test_a_copy_is_equal_in_everything(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe")
    add_socket(tree)
    copy_tree(tree, tmp_path / "copy", Work())
    assert portrait(tmp_path / "copy") == portrait(tree)
    assert (tmp_path / "copy").stat().st_mtime_ns == tree.stat().st_mtime_ns
    assert changes(tree, tmp_path / "copy") == []


@pytest.mark.lab
def test_a_copy_of_a_whole_system(disk: Disk) -> None:
    place = disk(100_000_000)
    rich_tree(place / "tree")
    copy_tree(place / "tree", place / "copy", Work())
    assert portrait(place / "copy") == portrait(place / "tree")
    assert tree_digest(place / "copy", Work()) == tree_digest(place / "tree", Work())
    kept = {name for path in (place / "copy").rglob("*") for name in os.listxattr(path, follow_symlinks=False)}
    assert kept == {"user.note", "trusted.mark", "security.capability", "system.posix_acl_access"}


@pytest.mark.lab
def test_a_mount_in_the_tree_is_not_entered(disk: Disk) -> None:
    place = disk(20_000_000)
    (place / "tree/proc").mkdir(parents=True)
    run("mount", "-t", "tmpfs", "none", place / "tree/proc")
    try:
        (place / "tree/proc/inside").touch()
        copy_tree(place / "tree", place / "copy", Work())
    finally:
        run("umount", place / "tree/proc")
    assert os.listdir(place / "copy/proc") == []


@pytest.mark.lab
def test_a_copy_that_does_not_fit(disk: Disk, tmp_path: Path) -> None:
    place = disk(20_000_000)
    (tmp_path / "big").mkdir()
    (tmp_path / "big/file").write_bytes(os.urandom(30_000_000))
    with pytest.raises(NoSpace, match=r"needs 30.0 MB, \d+\.\d MB are free"):
        copy_tree(tmp_path / "big", place / "copy", Work())
    assert os.listdir(place / "copy") == []


def test_a_copy_tells_how_far_it_is_and_can_be_stopped(tree: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    copy_tree(tree, tmp_path / "copy", Work(told.append))
    assert told[-1].phase == "copy"
    assert told[-1].done == told[-1].total == measure(tree, Work()).size_bytes
    work = Work(lambda now: work.cancel() if now.phase == "copy" else None)
    with pytest.raises(Cancelled):
        copy_tree(tree, tmp_path / "stopped", work)


@pytest.mark.lab
def test_sharing_blocks_is_refused_where_it_cannot_be(disk: Disk) -> None:
    place = disk(20_000_000)  # ext4
    plain_tree(place / "tree")
    with pytest.raises(ServerError, match="cannot be shared"):
        copy_tree(place / "tree", place / "copy", Work(), reflink=True)


def test_the_digest_does_not_see_times_and_holes(tree: Path, twin: Path) -> None:
    assert tree_digest(tree, Work()) == tree_digest(twin, Work())
    os.utime(twin / "etc", ns=(1, 1))
    filled = (twin / "var/lib/sparse").read_bytes()
    (twin / "var/lib/sparse").unlink()
    (twin / "var/lib/sparse").write_bytes(filled)
    assert tree_digest(tree, Work()) == tree_digest(twin, Work())
    assert changes(tree, twin) == []


EDITS: dict[str, tuple[Callable[[Path], object], list[tuple[str, str, str]]]] = {
    "content": (lambda t: (t / "etc/hostname").write_text("elsewhere\n"), [("changed", "etc/hostname", "content")]),
    "same size": (lambda t: (t / "etc/hostname").write_text("raspberrypj\n"), [("changed", "etc/hostname", "content")]),
    "mode": (lambda t: (t / "etc/hostname").chmod(0o4600), [("meta", "etc/hostname", "mode 0644 -> 4600")]),
    "mode of the root": (lambda t: t.chmod(0o700), [("meta", "", "mode 0755 -> 0700")]),
    "added": (lambda t: (t / "etc/new").touch(), [("added", "etc/new", "")]),
    "removed": (lambda t: (t / "etc/hostname").unlink(), [("removed", "etc/hostname", "")]),
    "link": (
        lambda t: ((t / "bin/sh").unlink(), (t / "bin/sh").symlink_to("bash")),
        [("changed", "bin/sh", "target dash -> bash")],
    ),
    "kind": (
        lambda t: ((t / "etc/hostname").unlink(), (t / "etc/hostname").mkdir()),
        [("changed", "etc/hostname", "file -> dir")],
    ),
    "hard link": (
        lambda t: ((t / "bin/rbash").unlink(), (t / "bin/rbash").write_bytes((t / "bin/dash").read_bytes())),
        [("changed", "bin/rbash", "hard -> file")],
    ),
    "in a hole": (
        lambda t: os.pwrite(os.open(t / "var/lib/sparse", os.O_WRONLY), b"x", 1000),
        [("changed", "var/lib/sparse", "content")],
    ),
    "shorter": (lambda t: os.truncate(t / "var/lib/sparse", 7_000_000), [("changed", "var/lib/sparse", "content")]),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS.keys())
def test_whatever_counts_is_seen(
    tree: Path, twin: Path, edit: Callable[[Path], object], said: list[tuple[str, str, str]]
) -> None:
    (tree / "etc/hostname").chmod(0o644)
    (twin / "etc/hostname").chmod(0o644)
    (tree / "bin/rbash").chmod(0o755)
    tree.chmod(0o755)
    twin.chmod(0o755)
    before = tree_digest(twin, Work())
    edit(twin)
    assert changes(tree, twin) == said
    assert tree_digest(twin, Work()) != before


@pytest.mark.lab
def test_owners_attributes_and_devices_are_seen(disk: Disk) -> None:
    place = disk(100_000_000)
    rich_tree(place / "old")
    copy_tree(place / "old", place / "new", Work())
    new = place / "new"
    os.chown(new / "srv/shared", 7, 8)
    os.setxattr(new / "srv", "user.note", b"other")
    os.removexattr(new / "bin/ping", "security.capability")
    os.setxattr(new / "etc", "trusted.overlay.opaque", b"y")  # an overlay's own
    (new / "dev/null").unlink()
    os.mknod(new / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (new / "dev/null").chmod((place / "old/dev/null").stat().st_mode & 0o7777)
    assert changes(place / "old", new) == [
        ("meta", "bin/ping", "attribute security.capability"),
        ("changed", "dev/null", "device 1:3 -> 1:5"),
        ("meta", "srv", "attribute user.note"),
        ("meta", "srv/shared", "owner 0:0 -> 7:8"),
    ]


def test_opening_a_file_opens_no_device_that_took_its_place(tmp_path: Path) -> None:
    """A reader of a pipe would hang here for ever."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old/x").write_bytes(b"12345")
    (tmp_path / "new").mkdir()
    (tmp_path / "new/x").write_bytes(b"12345")
    rows = pairs(walk(tmp_path / "old"), walk(tmp_path / "new"), lambda entry: entry.key)
    for _, after in rows:
        if after is not None and after.path == "x":
            (tmp_path / "new/x").unlink()
            os.mkfifo(tmp_path / "new/x")
            assert open_regular(after.folder, after.name) is None


def test_a_terabyte_of_nothing_is_read_at_once(tmp_path: Path) -> None:
    with (tmp_path / "lastlog").open("wb") as stream:
        stream.truncate(10**12)
        stream.seek(5 * 10**11)
        stream.write(b"x")
    with (tmp_path / "lastlog").open("rb") as stream:
        whole = content_digest(stream.fileno(), 10**12, Work())
    os.truncate(tmp_path / "lastlog", 10**12 + 1)
    with (tmp_path / "lastlog").open("rb") as stream:
        assert content_digest(stream.fileno(), 10**12 + 1, Work()) != whole


@given(
    blocks=st.lists(st.tuples(st.integers(0, 6), st.binary(min_size=1, max_size=3)), max_size=4),
    size=st.integers(0, 500_000),
)
def test_contents_are_told_apart_and_holes_are_zeros(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[tuple[int, bytes]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("content")
    data = bytearray(size)
    for number, part in blocks:
        data[number * 65_536 : number * 65_536 + len(part)] = part[: max(0, size - number * 65_536)]
    data = data[:size]
    (folder / "full").write_bytes(data)
    with (folder / "holes").open("wb") as stream:
        stream.truncate(len(data))
        for at in range(0, len(data), 4096):
            if any(data[at : at + 4096]):
                stream.seek(at)
                stream.write(data[at : at + 4096])
    digests = set()
    for name in ("full", "holes"):
        with (folder / name).open("rb") as stream:
            digests.add(content_digest(stream.fileno(), len(data), Work()))
    assert len(digests) == 1
    other = bytes(data) + b"\0"
    (folder / "other").write_bytes(other)
    with (folder / "other").open("rb") as stream:
        assert content_digest(stream.fileno(), len(other), Work()) not in digests


TEXT = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=8).map(
    lambda text: os.fsdecode(os.fsencode(text.encode("utf-8", "ignore").decode() or "x"))
) | st.just(os.fsdecode(b"\xff\xe4"))
COMMON = {
    "path": TEXT,
    "mode": st.integers(0, 0o7777),
    "uid": st.integers(0, 2**32 - 2),
    "gid": st.integers(0, 2**32 - 2),
    "xattrs": st.just(()) | st.just((("user.a", "00ff"), ("user.b", ""))),
}
NODES = st.one_of(
    st.builds(Node, kind=st.sampled_from([Kind.FOLDER, Kind.FIFO, Kind.SOCKET]), **COMMON),
    st.builds(Node, kind=st.just(Kind.FILE), size=st.integers(0, 2**63), content=st.just("ab" * 32), **COMMON),
    st.builds(Node, kind=st.just(Kind.LINK), target=TEXT, **COMMON),
    st.builds(Node, kind=st.just(Kind.HARD), target=TEXT, path=TEXT),
    st.builds(Node, kind=st.sampled_from([Kind.CHAR, Kind.BLOCK]), device=st.just((8, 1)), **COMMON),
)


@given(node=NODES)
def test_a_line_of_a_manifest_is_read_as_it_was_written(node: Node) -> None:
    line = node.line()
    assert "\n" not in line
    assert line.isascii()
    assert parse(line) == node


@given(old=st.lists(NODES, max_size=8), new=st.lists(NODES, max_size=8))
def test_every_entry_is_compared_once(old: list[Node], new: list[Node]) -> None:
    rows = [sorted({node.path: node for node in nodes}.values(), key=node_key) for nodes in (old, new)]
    seen = list(pairs(iter(rows[0]), iter(rows[1]), node_key))
    assert [one for one, _ in seen if one] == rows[0]
    assert [two for _, two in seen if two] == rows[1]
    assert all(one is None or two is None or one.path == two.path for one, two in seen)
    said = [compare(one, two, lambda: True) for one, two in seen]
    assert all((change is None) == (pair[0] == pair[1]) for change, pair in zip(said, seen, strict=True))


def test_a_manifest_reads_back(tree: Path, tmp_path: Path) -> None:
    total = write_manifest(tree, tmp_path / "manifest", Work())
    assert total.digest == tree_digest(tree, Work())
    assert total.files == len(list(read_manifest(tmp_path / "manifest"))) == len(list(walk(tree)))
    with pytest.raises(FileExistsError):
        write_manifest(tree, tmp_path / "manifest", Work())
    for damage in ("", "other\n", (tmp_path / "manifest").read_text() + "[1]\n"):
        (tmp_path / "damaged").write_text(damage)
        with pytest.raises(BadImage, match="damaged"):
            list(read_manifest(tmp_path / "damaged"))


def test_attributes_that_belong_to_a_file() -> None:
    assert all(map(is_kept, ("user.a", "security.capability", "trusted.x", "system.posix_acl_default")))
    assert not is_kept("trusted.overlay.origin")
    assert not is_kept("system.nfs4_acl")


def test_sizes_as_people_read_them() -> None:
    assert [megabytes(size) for size in (0, 1_234_567, 2_500_000_000, 32 * 10**9)] == [
        "0.0 MB", "1.2 MB", "2 500.0 MB", "32.0 GB",
    ]  # fmt: skip


def test_free_space_keeps_a_reserve(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = Space(tmp_path).free_bytes()
    assert free < disk.f_bavail * disk.f_frsize
    with pytest.raises(NoSpace, match="the thing needs"):
        Space(tmp_path).need(free + 10**9, "the thing")


def test_a_tree_that_changes_is_compared_and_never_sealed(tree: Path, twin: Path) -> None:
    """What goes between the look at a folder's names and the look at a file is no error of a comparison."""
    for entry in walk(tree):
        if entry.path == "bin/sh":
            (tree / "bin/sh").unlink()
            node = describe(entry, Names())
            assert compare(node, node, lambda: True) is None
            with pytest.raises(BadImage, match="changed while it was read"):
                with_content(node, entry, Work())
        if entry.path == "etc/hostname":
            (tree / "etc/hostname").unlink()
            with pytest.raises(BadImage, match="changed while it was read"):
                with_content(describe(entry, Names()), entry, Work())
    assert [path for _, path, _ in changes(twin, tree)] == ["bin/sh", "etc/hostname"]


def test_an_attribute_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write_xattrs(str(tmp_path / "file"), {"trusted.overlay.opaque": b"y"}, "file")  # passed over
    with pytest.raises(BadImage, match=r"system.posix_acl_access of some/file cannot be kept"):
        write_xattrs(str(tmp_path / "file"), {"system.posix_acl_access": b"nonsense"}, "some/file")
    assert read_xattrs(str(tmp_path / "gone")) == {}


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, NoSpace, "full"),
        (errno.EDQUOT, NoSpace, "full"),
        (errno.EUCLEAN, BadImage, "damaged"),
        (errno.EIO, BadImage, "damaged"),
        (errno.EFBIG, BadImage, "File too large"),
        (errno.EACCES, PermissionError, "denied"),
    ],
)
def test_what_a_disk_says(number: int, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said), disk_errors("copying"):
        raise OSError(number, os.strerror(number))
