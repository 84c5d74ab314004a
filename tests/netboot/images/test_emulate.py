"""Whether an image's programs run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.errors import BadImage
from graped.netboot.images.emulate import emulation_of, is_native


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/bin").symlink_to("usr/bin")
    (tmp_path / "root/usr/bin/apt").touch(mode=0o755)
    return tmp_path / "root"


def binfmt(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "binfmt"
    folder.mkdir()
    (folder / "qemu-aarch64").write_text(text)
    return folder


ENTRY = "{}\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: {}\noffset 0\nmagic 7f454c46\n"


def test_native_and_unknown_programs_run_as_they_are(root: Path) -> None:
    for arch, machine in (("amd64", "x86_64"), ("arm64", "aarch64"), ("armhf", "armv7l"), ("", "x86_64")):
        assert emulation_of(root, arch, ("apt",), machine=machine, qemu_folders=()).command == ("apt",)
    assert not is_native("arm64", "x86_64")
    assert not is_native("amd64", "aarch64")


def test_a_kernel_that_knows_the_format_needs_nothing(root: Path, tmp_path: Path) -> None:
    folder = binfmt(tmp_path, ENTRY.format("enabled", "POF"))
    found = emulation_of(root, "arm64", ("apt", "-v"), machine="x86_64", binfmt=folder, qemu_folders=())
    assert (found.command, found.binds, found.note) == (("apt", "-v"), (), "")


@pytest.mark.parametrize(("state", "flags"), [("disabled", "POF"), ("enabled", "PO")])
def test_an_entry_that_does_not_help_is_none(root: Path, tmp_path: Path, state: str, flags: str) -> None:
    folder = binfmt(tmp_path, ENTRY.format(state, flags))
    with pytest.raises(BadImage, match="do not run on this x86_64 machine: no qemu-aarch64-static") as caught:
        emulation_of(root, "arm64", ("apt",), machine="x86_64", binfmt=folder, qemu_folders=(tmp_path,))
    assert "qemu-user-static" in caught.value.hint


def test_only_an_interpreter_runs_the_command_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "qemu-aarch64-static").touch()
    found = emulation_of(
        root, "arm64", ("apt", "-v"), machine="x86_64", binfmt=tmp_path / "none", qemu_folders=(tmp_path,)
    )
    assert found.command == ("/run/grape/qemu-aarch64-static", "-0", "apt", "/usr/bin/apt", "-v")
    assert found.binds == ((tmp_path / "qemu-aarch64-static", "qemu-aarch64-static"),)
    assert "nothing it starts" in found.note
    with pytest.raises(BadImage, match="no nothing in the image"):
        emulation_of(root, "arm64", ("nothing",), machine="x86_64", binfmt=tmp_path, qemu_folders=(tmp_path,))
