"""TFTP folders on disk: whole at every moment, the same however often applied, gone with their node."""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.netboot.dhcp.access import Account
from graped.netboot.tftp import FolderPlan, apply_folder, keep_only, remove_folder, unreadable

MAC = "b8:27:eb:00:00:01"
NAME = "b8-27-eb-00-00-01"
STRANGER = Account(user="stranger", group="strangers", uid=12345, gid=12345)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "image")


def make_image(boot: Path) -> Path:
    (boot / "overlays").mkdir(parents=True)
    for name in ("kernel8.img", "overlays/a.dtbo"):
        (boot / name).write_text(name)
    return boot


def folder(image: Path, text: str = "one", **changes: object) -> FolderPlan:
    values: dict[str, object] = {
        "mac": MAC,
        "links": {"kernel8.img": image / "kernel8.img", "overlays": image / "overlays"},
        "files": {"config.txt": text, "current/cmdline.txt": text},
    }
    return FolderPlan(**(values | changes))  # type: ignore[arg-type]


def test_a_node_finds_its_files_under_mac_and_serial(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    assert apply_folder(tftp, folder(image, serial="1234abcd"))
    for name in (NAME, "1234abcd"):
        assert (tftp / name / "config.txt").read_text() == "one"
        assert (tftp / name / "current" / "cmdline.txt").read_text() == "one"
        assert (tftp / name / "overlays" / "a.dtbo").read_text() == "overlays/a.dtbo"
    assert not apply_folder(tftp, folder(image, serial="1234abcd"))


def test_all_of_it_may_be_read_by_anybody_whatever_the_umask(tmp_path: Path, image: Path) -> None:
    before = os.umask(0o077)
    try:
        apply_folder(tmp_path / "tftp", folder(image))
    finally:
        os.umask(before)
    for path in (tmp_path / "tftp" / NAME).resolve().rglob("*"):
        assert path.stat().st_mode & 0o004
    assert (tmp_path / "tftp" / NAME).stat().st_mode & 0o005 == 0o005


def test_a_change_leaves_nothing_of_what_was(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    apply_folder(tftp, folder(image, serial="00000001"))
    assert apply_folder(tftp, folder(image, "two", serial="00000002"))
    assert (tftp / "00000002" / "config.txt").read_text() == "two"
    assert not os.path.lexists(tftp / "00000001")
    assert apply_folder(tftp, folder(image, "two"))
    assert sorted(path.name for path in tftp.iterdir() if not path.name.startswith(".")) == [NAME]
    assert len(list(tftp.iterdir())) == 2


def test_a_file_that_was_damaged_is_made_good(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    apply_folder(tftp, folder(image))
    (tftp / NAME / "config.txt").write_text("scribble")
    (tftp / NAME / "kernel8.img").unlink()
    assert apply_folder(tftp, folder(image))
    assert (tftp / NAME / "config.txt").read_text() == "one"
    assert (tftp / NAME / "kernel8.img").read_text() == "kernel8.img"


def test_a_removed_node_finds_nothing_and_the_image_is_untouched(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    apply_folder(tftp, folder(image, serial="1234abcd"))
    assert remove_folder(tftp, MAC)
    assert list(tftp.iterdir()) == []
    assert (image / "overlays" / "a.dtbo").exists()
    assert not remove_folder(tftp, MAC)
    assert not remove_folder(tmp_path / "nowhere", MAC)


def test_only_the_nodes_of_the_plan_are_kept(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    other = "b8:27:eb:00:00:02"
    apply_folder(tftp, folder(image, serial="1234abcd"))
    apply_folder(tftp, folder(image, mac=other, serial="1234abce"))
    (tftp / f".{NAME}.0123-crash").mkdir()
    (tftp / "foreign").mkdir()
    assert keep_only(tftp, [MAC]) == ("1234abce", "b8-27-eb-00-00-02", "foreign")
    assert (tftp / "1234abcd" / "config.txt").read_text() == "one"
    assert len(list(tftp.iterdir())) == 3


def test_whoever_boots_meanwhile_finds_one_folder_or_the_other(tmp_path: Path, image: Path) -> None:
    tftp = tmp_path / "tftp"
    apply_folder(tftp, folder(image, "0"))
    done = threading.Event()
    wrong: list[str] = []

    def boot() -> None:
        while not done.is_set():
            try:
                (tftp / NAME / "kernel8.img").stat()
                (tftp / NAME / "overlays" / "a.dtbo").stat()
                (tftp / NAME / "current" / "cmdline.txt").stat()
            except OSError as error:
                wrong.append(str(error))

    reader = threading.Thread(target=boot)
    reader.start()
    try:
        for number in range(1, 40):
            assert apply_folder(tftp, folder(image, str(number)))
    finally:
        done.set()
        reader.join()
    assert wrong == []


steps = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), st.integers(1, 3), st.sampled_from(["a", "b"]), st.sampled_from([None, "1", "2"])),
        st.tuples(st.just("remove"), st.integers(1, 3)),
        st.tuples(st.just("keep"), st.sets(st.integers(1, 3))),
    ),
    max_size=12,
)


@given(steps)
@settings(deadline=None)
def test_the_folders_are_always_those_of_the_nodes_there_are(given_steps: list[tuple]) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as room:
        tftp = Path(room)
        there: dict[int, str] = {}
        for kind, *rest in given_steps:
            if kind == "apply":
                number, text, serial = rest
                name = f"02:00:00:00:00:0{number}"
                apply_folder(tftp, FolderPlan(mac=name, files={"a": text}, serial=serial and f"{number}000000{serial}"))
                there[number] = text
            elif kind == "remove":
                remove_folder(tftp, f"02:00:00:00:00:0{rest[0]}")
                there.pop(rest[0], None)
            else:
                keep_only(tftp, [f"02:00:00:00:00:0{number}" for number in rest[0]])
                there = {number: text for number, text in there.items() if number in rest[0]}
        found = {path.name: (path / "a").read_text() for path in tftp.glob("02-*")}
        assert found == {f"02-00-00-00-00-0{number}": text for number, text in there.items()}
        hidden = [path for path in tftp.iterdir() if path.name.startswith(".")]
        assert len(hidden) == len(there)


def test_what_the_server_could_not_read_is_told() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # where others may go, other than into pytest's folders
        room = Path(name)
        room.chmod(0o755)
        make_image(room / "image")
        kernel = room / "image" / "kernel8.img"
        tftp = room / "tftp"
        apply_folder(tftp, folder(room / "image"))
        assert unreadable(tftp, STRANGER) == ()
        kernel.chmod(0o600)
        assert unreadable(tftp, STRANGER) == (f"{NAME}/kernel8.img: {kernel} is closed to stranger",)
        kernel.parent.chmod(0o750)
        assert len(unreadable(tftp, STRANGER)) == 2
        friend = replace(STRANGER, gid=room.stat().st_gid)
        kernel.chmod(0o640)
        assert unreadable(tftp, friend) == ()
        kernel.unlink()
        assert unreadable(tftp, friend) == (f"{NAME}/kernel8.img: is a link to nothing",)
