"""A tar archive from strangers: everything in it is kept, nothing of it gets out of its folder."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.errors import BadImage, Cancelled, NoSpace
from graped.netboot.images.source import Source
from graped.netboot.images.space import Space
from graped.netboot.images.store import ImageStore
from graped.netboot.images.tarball import unpack_tar
from graped.runner import SubprocessRunner
from graped.work import Progress, Work
from tests.netboot.images.building import MIB, portrait
from tests.netboot.images.conftest import Disk


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.uid, info.gid = kind, os.getuid(), os.getgid()
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def archive(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for entry in members:
            info, content = entry if isinstance(entry, tuple) else (entry, b"")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpack(data: bytes, root: Path, work: Work | None = None) -> Path:
    root.mkdir(exist_ok=True)
    unpack_tar(Source(io.BytesIO(data).read), root, Space(root), work or Work())
    return root


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    return member(name, kind, linkname=target)


OUT = {
    "climbs": [member("../canary")],
    "climbs later": [member("etc", tarfile.DIRTYPE), (member("etc/../../canary"), b"x")],
    "absolute": [(member("/etc/canary"), b"x")],
    "absolute folder": [member("/etc", tarfile.DIRTYPE)],
    "by an absolute link": [link("out", "/tmp"), (member("out/canary"), b"x")],
    "by a climbing link": [link("out", ".."), (member("out/canary"), b"x")],
    "by two links": [link("a", "b"), link("b", ".."), (member("a/canary"), b"x")],
    "by a link in a folder": [
        member("d", tarfile.DIRTYPE),
        link("d/out", "../.."),
        member("d/out/canary", tarfile.DIRTYPE),
    ],
    "by a hard link's target": [link("canary", "../canary", tarfile.LNKTYPE)],
    "by a hard link through a link": [link("out", ".."), link("mine", "out/canary", tarfile.LNKTYPE)],
    "by a device through a link": [link("out", ".."), member("out/canary", tarfile.FIFOTYPE)],
    "round and round": [link("a", "b"), link("b", "a"), (member("a/x"), b"x")],
}


@pytest.mark.parametrize("members", OUT.values(), ids=OUT.keys())
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_no_name_leads_out(tmp_path: Path, members: list[tarfile.TarInfo], form: int) -> None:
    (tmp_path / "canary").write_text("sings")
    with pytest.raises(BadImage) as caught:
        unpack(archive(*members, form=form), tmp_path / "root")
    assert "out of the image" in caught.value.detail
    assert sorted(os.listdir(tmp_path)) == ["canary", "root"]
    assert (tmp_path / "canary").read_text() == "sings"
    assert (tmp_path / "canary").stat().st_nlink == 1


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("sings")
    data = archive(link("etc", "../canary"), (member("etc"), b"mine"), link("d", ".."), member("d", tarfile.DIRTYPE))
    root = unpack(data, tmp_path / "root")
    assert (root / "etc").read_text() == "mine"
    assert (root / "d").is_dir()
    assert not (root / "d").is_symlink()
    assert (tmp_path / "canary").read_text() == "sings"


def test_a_link_inside_is_followed(tmp_path: Path) -> None:
    data = archive(
        member("usr/lib", tarfile.DIRTYPE),
        link("lib", "usr/lib"),
        (member("lib/x.so"), b"so"),
        link("usr/up", "../lib"),
        link("usr/up/y.so", "lib/x.so", tarfile.LNKTYPE),
    )
    root = unpack(data, tmp_path / "root")
    assert (root / "usr/lib/x.so").stat().st_ino == (root / "usr/lib/y.so").stat().st_ino
    assert (root / "lib").is_symlink()


def test_the_later_of_two_members_wins(tmp_path: Path) -> None:
    data = archive(
        (member("a"), b"old"), link("b", "a", tarfile.LNKTYPE), (member("a"), b"new"),
        member("d", tarfile.DIRTYPE), link("d", "a"), link("c", "c2"), link("a", "a", tarfile.LNKTYPE),
    )  # fmt: skip
    root = unpack(data, tmp_path / "root")
    assert ((root / "a").read_text(), (root / "b").read_text()) == ("new", "old")
    assert os.readlink(root / "d") == "a"


def test_modes_and_times_of_folders_outlast_what_is_put_in_them(tmp_path: Path) -> None:
    data = archive(
        member(".", tarfile.DIRTYPE, mode=0o750, mtime=1000),
        member("./d", tarfile.DIRTYPE, mode=0o500, mtime=2000),
        (member("./d/s", mode=0o4711, pax_headers={"mtime": "1600000000.123456789"}), b"suid"),
    )
    root = unpack(data, tmp_path / "root")
    assert (root.stat().st_mode & 0o7777, root.stat().st_mtime) == (0o750, 1000)
    assert ((root / "d").stat().st_mode & 0o7777, (root / "d").stat().st_mtime) == (0o500, 2000)
    status = (root / "d/s").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o4711, 1_600_000_000_123_456_789)


BAD = {
    "a file that is a folder too": ([(member("a"), b"x"), (member("a/b"), b"x")], "file, and then a folder"),
    "a full folder that is a file too": ([(member("a/b"), b"x"), (member("a"), b"x")], "folder, and then something"),
    "the root as a file": ([(member("."), b"x")], "no folder"),
    "a hard link to nothing": ([link("a", "b", tarfile.LNKTYPE)], "not there"),
    "a link to nothing at all": ([link("a", "")], "link to nothing"),
    "no time": ([member("a", pax_headers={"mtime": "nan"})], "sensible time|damaged"),
    "a huge owner": ([member("a", uid=2**40)], "damaged"),
    "deep": ([member("d/" * 300 + "x")], "deep"),
    "a long name": ([member("n" * 300)], "too long"),
    "another kind": ([member("a", b"V")], "not known"),
}


@pytest.mark.parametrize(("members", "said"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_made(tmp_path: Path, members: list[tarfile.TarInfo], said: str) -> None:
    with pytest.raises(BadImage, match=said):
        unpack(archive(*members), tmp_path / "root")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    whole = archive((member("a"), b"1" * 700), member("d", tarfile.DIRTYPE), (member("d/" + "n" * 120), b"2" * 1500))
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for cut in range(1, end, 97):
        with pytest.raises(BadImage) as caught:
            unpack(whole[:cut], tmp_path / str(cut))
        assert re.search("truncated|damaged", caught.value.detail), cut  # in a long header: as Python's version says
    unpack(whole[: end + 512], tmp_path / "whole")


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    whole = bytearray(archive((member("a"), b"1"), (member("b"), b"2")))
    whole[1024 + 5] ^= 0xFF
    with pytest.raises(BadImage, match="damaged"):
        unpack(bytes(whole), tmp_path / "root")


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    big = member("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    big.size = 2**32
    with pytest.raises(BadImage, match="claims"):
        unpack(big.tobuf(tarfile.GNU_FORMAT) + bytes(10_000), tmp_path / "root")


def test_a_file_larger_than_the_disk_is_refused_by_its_header(tmp_path: Path) -> None:
    big = member("a")
    big.size = 2**60
    with pytest.raises(NoSpace, match="needs"):
        unpack(big.tobuf(tarfile.GNU_FORMAT) + bytes(10_000), tmp_path / "root")


def test_a_sparse_file_larger_than_any_disk(tmp_path: Path) -> None:
    info = member("a", pax_headers={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a",
                                    "GNU.sparse.size": str(2**62), "GNU.sparse.map": f"{2**61},1"})  # fmt: skip
    with contextlib.nullcontext() if holds(tmp_path / "probe", 2**62) else pytest.raises(BadImage):  # a tmpfs holds it
        unpack(archive((info, b"x")), tmp_path / "root")


def holds(file: Path, size_bytes: int) -> bool:
    """Whether a file of this size can be on this file system."""
    file.touch()
    try:
        os.truncate(file, size_bytes)
    except OSError:
        return False
    return True


def test_a_tail_without_end(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="behind its end"):
        unpack(archive(member("a")) + bytes(80 * MIB), tmp_path / "root")


NOT_OURS = () if os.geteuid() == 0 else (PermissionError,)  # a user may give nothing away, as a damaged owner asks
SEVERAL = archive(
    member("d", tarfile.DIRTYPE), (member("d/f"), b"x" * 700), link("l", "d"), (member("l/g"), b"yy"),
    link("h", "d/f", tarfile.LNKTYPE), (member("n" * 150, pax_headers={"mtime": "1.5"}), b"z"),
    member("p", tarfile.FIFOTYPE),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(
    damage=st.lists(
        st.tuples(st.integers(0, len(SEVERAL) - 1), st.sampled_from(b"\0./8\x80\xff") | st.integers(0, 255)), max_size=6
    ),
    sums_right=st.booleans(),
)
def test_whatever_is_in_an_archive_it_is_unpacked_or_refused(damage: list[tuple[int, int]], sums_right: bool) -> None:
    data = bytearray(SEVERAL)
    for at, byte in damage:
        data[at] = byte
    for at in range(0, len(data) if sums_right else 0, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "canary").write_text("sings")
        with contextlib.suppress(BadImage, NoSpace, *NOT_OURS):
            unpack(bytes(data), Path(home) / "root")
        assert sorted(os.listdir(home)) == ["canary", "root"]
        assert (Path(home) / "canary").stat().st_nlink == 1


def test_cancelled(tmp_path: Path) -> None:
    data = archive(*[(member(str(number)), b"x" * 50_000) for number in range(100)])

    def tell(now: Progress) -> None:
        if now.done > 1_000_000:
            work.cancel()

    work = Work(tell)
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(Cancelled):
        unpack_tar(Source(io.BytesIO(data).read, work), root, Space(root), work)
    assert len(os.listdir(root)) < 60


@pytest.mark.lab
@pytest.mark.parametrize("options", [["--format=posix", "-S"], ["--format=gnu", "-S"], ["--format=posix"]])
def test_an_archive_by_gnu_tar(store: ImageStore, img: tuple[Path, Path, Path], options: list[str]) -> None:
    """Attributes are in the posix format alone; whole nanoseconds too."""
    tree = img[1]
    posix = "--format=posix" in options
    argv = ["tar", "-C", str(tree), "--numeric-owner", "-c", *options]
    argv += ["--xattrs", "--xattrs-include=*"] if posix else []
    made = subprocess.Popen([*argv, "."], stdout=subprocess.PIPE)
    assert made.stdout is not None
    with made.stdout as stream:
        record = store.import_stream("pi", stream, "-", Work())  # type: ignore[arg-type]
    assert made.wait(10) == 0
    grain_ns = 1 if posix else 10**9
    held, given = (portrait(root, grain_ns=grain_ns) for root in (store.root(record), tree))
    if posix and "-S" in options:
        assert held == given
    else:
        assert [bare(row, posix) for row in held.items()] == [bare(row, posix) for row in given.items()]
    assert store.verify(record, Work()) == ()


def bare(row: tuple[str, tuple[object, ...]], attributes: bool) -> object:
    """Leave out what a format of tar cannot hold: holes, attributes."""
    name, (mode, *rest) = row[0], row[1]
    if name == "hard links":
        return row
    uid, gid, xattrs, detail, when = rest
    return name, mode, uid, gid, xattrs if attributes else (), detail[0] if isinstance(detail, tuple) else detail, when


@pytest.mark.lab
@pytest.mark.parametrize("honest", [True, False], ids=["looks at free space", "kernel says no"])
def test_a_bomb_fills_no_disk(disk: Disk, monkeypatch: pytest.MonkeyPatch, honest: bool) -> None:
    """Small in the stream, large on the disk; with the looks at free space taken away the kernel says it."""
    store = ImageStore(disk(40 * MIB) / "images", SubprocessRunner(), lambda: 0.0)
    store.import_tree("other", Path(__file__).parent, "tree", Work())
    bomb = gzip.compress(archive(*[(member(str(number)), bytes(MIB)) for number in range(60)]), 1)
    if not honest:
        monkeypatch.setattr(Space, "free_bytes", lambda _: 2**60)
    with pytest.raises(NoSpace) as caught:
        store.import_stream("bomb", io.BytesIO(bomb), "bomb.tgz", Work())
    assert caught.value.hint
    assert [record.ref for record in store.all()] == os.listdir(store.folder)


@pytest.mark.lab
def test_too_many_files_for_the_disk(disk: Disk) -> None:
    store = ImageStore(disk(4 * MIB) / "images", SubprocessRunner(), lambda: 0.0)
    many = archive(*[member(str(number)) for number in range(5000)])
    with pytest.raises(NoSpace, match="full"):
        store.import_stream("many", io.BytesIO(many), "many.tar", Work())
    assert os.listdir(store.folder) == []
