"""Versions in their store: there whole or not at all, found by name or digits, never changed unseen."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped.errors import BadImage, Cancelled, Conflict, NotFound, RequestError
from graped.netboot.images.look import boot_folder, elf_machine
from graped.netboot.images.record import ImageRecord, check_name, from_json, to_json
from graped.netboot.images.store import ImageStore
from graped.runner import SubprocessRunner
from graped.work import Progress, Work
from tests.netboot.images.building import elf, plain_tree


@pytest.fixture
def clock() -> Iterator[float]:
    return iter(float(second) for second in range(1000, 2000))


@pytest.fixture
def store(tmp_path: Path, clock: Iterator[float]) -> ImageStore:
    return ImageStore(tmp_path / "images", SubprocessRunner(), lambda: next(clock))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plain_tree(tmp_path / "tree")


def made(store: ImageStore, tree: Path, name: str = "bookworm", hostname: str = "") -> ImageRecord:
    if hostname:
        (tree / "etc/hostname").write_text(hostname)
    return store.import_tree(name, tree, "a folder", Work())


def test_an_empty_store_and_none(store: ImageStore) -> None:
    assert store.all() == ()
    assert store.recover() == ()
    with pytest.raises(NotFound, match="no image 'bookworm'") as caught:
        store.find("bookworm")
    assert "import" in caught.value.hint


def test_a_version_says_what_it_is(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    assert record.ref == f"bookworm@{record.digest[:12]}"
    assert (record.arch, record.boot, record.created) == ("arm64", "boot/firmware", 1000.0)
    assert record.files == len(list(tree.rglob("*"))) + 1
    assert 0 < record.size_bytes < 5_000_000  # a file of 8 MB is nearly all hole
    assert store.boot(record) == store.root(record) / "boot/firmware"
    assert sorted(os.listdir(store.folder / record.ref)) == ["image.json", "manifest", "root"]
    assert json.loads((store.folder / record.ref / "image.json").read_text())["made_by"] == "Grape"


def test_the_same_tree_is_one_version(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    assert made(store, tree) == record
    assert made(store, store.root(record)) == record
    other = made(store, tree, "other")
    assert other.digest == record.digest
    assert sorted(os.listdir(store.folder)) == [record.ref, other.ref]


def test_found_by_name_digits_or_in_full(store: ImageStore, tree: Path) -> None:
    first, second = made(store, tree, hostname="a"), made(store, tree, hostname="b")
    third = made(store, tree, "trixie")
    assert store.all() == (first, second, third)
    assert store.find("bookworm") == second
    assert store.find(first.ref) == store.find(f"bookworm@{first.digest}") == first
    assert store.find(f"bookworm@{first.digest[:6]}") == first
    for text, hint in (("bookwurm", "bookworm"), ("bookworm@", "bookworm"), ("zzz", "list"), ("trixie@xyz", "trixie")):
        with pytest.raises(NotFound) as caught:
            store.find(text)
        assert hint in caught.value.hint


def test_too_few_digits(store: ImageStore, tree: Path) -> None:
    records: list[ImageRecord] = []
    while len({record.digest[0] for record in records}) == len(records):  # at most 17: two begin alike then
        records.append(made(store, tree, hostname=str(len(records))))
    with pytest.raises(Conflict, match="may be"):
        store.find(f"bookworm@{records[-1].digest[0]}")


def test_removed(store: ImageStore, tree: Path) -> None:
    first, second = made(store, tree, hostname="a"), made(store, tree, hostname="b")
    store.remove(first)
    assert store.all() == (second,)
    assert os.listdir(store.folder) == [second.ref]
    with pytest.raises(NotFound):
        store.remove(first)
    assert os.listdir(store.folder) == [second.ref]


def test_a_change_is_found(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    assert store.verify(record, Work()) == ()
    (store.root(record) / "etc/hostname").write_text("raspberrypj\n")
    (store.root(record) / "etc/new").touch()
    (store.root(record) / "bin/dash").chmod(0o4755)
    (store.root(record) / "var/lib/sparse").unlink()
    said = [(str(change.kind), change.path, change.what) for change in store.verify(record, Work())]
    assert said == [
        ("meta", "bin/dash", "mode 0755 -> 4755"),
        ("changed", "etc/hostname", "content"),
        ("added", "etc/new", ""),
        ("removed", "var/lib/sparse", ""),
    ]
    manifest = store.folder / record.ref / "manifest"
    manifest.write_text(manifest.read_text().replace("hostname", "hostnane"))
    with pytest.raises(BadImage, match="changed"):
        store.verify(record, Work())
    manifest.unlink()
    with pytest.raises(BadImage, match="missing"):
        store.verify(record, Work())


def test_verify_tells_how_far_it_is_and_can_be_stopped(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    told: list[Progress] = []
    store.verify(record, Work(told.append))
    assert told[-1].phase == "verify"
    assert told[-1].total
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        store.verify(record, work)


def test_what_no_one_finished_is_not_listed_and_goes(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    draft = store.draft("half")
    (draft.path / "etc").mkdir()
    (store.folder / "stray").mkdir()
    (store.folder / "broken@123456789012").mkdir()
    (store.folder / "broken@123456789012/image.json").write_text("{")
    assert store.all() == (record,)
    assert store.recover() == (draft.place.name,)
    assert store.recover() == ()
    assert sorted(os.listdir(store.folder)) == sorted([record.ref, "stray", "broken@123456789012"])


def test_a_draft_is_dropped_where_it_fails(store: ImageStore) -> None:
    with pytest.raises(FileNotFoundError), store.draft("half") as draft:
        (draft.path / "nothing/file").touch()
    assert os.listdir(store.folder) == []


def test_a_draft_can_be_sealed_after_a_cancelled_try(store: ImageStore, tree: Path) -> None:
    with store.draft("bookworm") as draft:
        (draft.path / "etc").mkdir()
        work = Work(lambda now: work.cancel() if now.phase == "sync" else None)
        with pytest.raises(Cancelled):
            draft.seal(source="by hand", work=work)
        record = draft.seal(source="by hand", work=Work())
    assert store.all() == (record,)
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_a_draft_becomes_a_version(store: ImageStore, tree: Path) -> None:
    parent = made(store, tree)
    with store.draft("bookworm") as draft:
        (draft.path / "etc").mkdir()
        record = draft.seal(source="by hand", parent=parent.ref, prepared=True, note="n", work=Work())
    assert (record.parent, record.prepared, record.note, record.arch, record.boot) == (parent.ref, True, "n", "", "")
    assert store.find("bookworm") == record
    assert store.boot(record) is None


def test_a_damaged_record_is_said_to_be_in_the_way(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    (store.folder / record.ref / "image.json").write_text("{}")
    with pytest.raises(Conflict, match="in the way"):
        made(store, tree)
    assert os.listdir(store.folder) == [record.ref]


def test_no_folder_to_import(store: ImageStore, tree: Path) -> None:
    with pytest.raises(BadImage, match="no folder"):
        store.import_tree("x", tree / "etc/hostname", "", Work())


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a@b", "a b", "ä", "x" * 49, "-x", "a\n"])
def test_names_that_are_none(store: ImageStore, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        store.draft(name)
    assert caught.value.hint
    assert not store.folder.exists()


def test_names() -> None:
    for name in ("a", "bookworm-lite", "raspios_2024.03.15", "X" * 48):
        check_name(name)


def test_a_record_reads_back(store: ImageStore, tree: Path) -> None:
    record = made(store, tree)
    assert from_json(to_json(record)) == record
    assert from_json(to_json(record).replace('"made_by"', '"of a later version"')) == record
    for text in ("", "[]", "{}", '{"name": 1}'):
        with pytest.raises(BadImage):
            from_json(text)


def test_a_tar_of_the_tree_is_the_same_version(store: ImageStore, tree: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(tree, ".")
    packed.seek(0)
    record = made(store, tree)
    told: list[Progress] = []
    size = len(packed.getvalue())
    again = store.import_stream("bookworm", packed, "tree.tgz", Work(told.append), size_bytes=size)
    assert again == record
    reading = [now for now in told if now.phase == "read"]
    assert reading[-1].done == reading[-1].total == size


def test_processors() -> None:
    assert [elf_machine(elf(number)) for number in (183, 40, 62, 3)] == ["arm64", "armhf", "amd64", ""]
    big_endian = bytearray(elf(0))
    big_endian[5], big_endian[18:20] = 2, b"\0\xb7"
    assert elf_machine(bytes(big_endian)) == "arm64"
    assert elf_machine(b"#!/bin/sh\n" * 5) == ""
    assert elf_machine(b"\x7fELF") == ""


def test_where_boot_files_are(tree: Path) -> None:
    assert boot_folder(tree) == "boot/firmware"
    (tree / "boot/firmware/config.txt").unlink()
    assert boot_folder(tree) == ""
    (tree / "boot/vmlinuz-6.1.0-18-amd64").touch()
    assert boot_folder(tree) == "boot"
    (tree / "boot/vmlinuz-6.1.0-18-amd64").unlink()
    (tree / "boot/firmware").rmdir()
    (tree / "boot/firmware").symlink_to("/etc")  # nobody's business outside
    (tree / "etc/config.txt").touch()
    assert boot_folder(tree) == ""
