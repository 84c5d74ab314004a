"""What needs no machine: files for a tree, a slave's recipe, processors, progress."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from graped.errors import CommandFailed
from graped.runner import Output
from master_setup.image import additions, foreign, slave
from master_setup.image.progress import Fetching, Installing, Progress
from master_setup.image.recipe import NotBuilt, TreeCopy, TreeFile, TreeLink

EPOCH = 1_700_000_000


class ArchTest:
    """Answers as arch-test does; without ``runs`` it is not installed."""

    def __init__(self, *runs: str) -> None:
        self._runs = runs

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        assert argv[0] == "arch-test"
        if not self._runs:
            raise CommandFailed("cannot run arch-test: no such program")
        return Output(code=0 if argv[1] in self._runs else 1, stdout="")


def other() -> str:
    return "arm64" if foreign.machine_arch() == "amd64" else "amd64"


def emulator(folder: Path, arch: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / foreign.EMULATORS[arch]).write_text(text)
    return folder


def test_our_own_processor_needs_nothing(tmp_path: Path) -> None:
    foreign.check(foreign.machine_arch(), ArchTest(), tmp_path)


def test_another_processor_needs_its_emulator_and_says_so(tmp_path: Path) -> None:
    for runner, words in ((ArchTest(), "arch-test is not installed"), (ArchTest("vax"), "is not set up")):
        with pytest.raises(NotBuilt, match=words) as caught:
            foreign.check(other(), runner, tmp_path)
        assert "qemu-user-static" in caught.value.hint
    works = emulator(tmp_path / "a", other(), "enabled\ninterpreter /usr/libexec/qemu\nflags: POCF\n")
    foreign.check(other(), ArchTest(other()), works)
    lost = emulator(tmp_path / "b", other(), "enabled\ninterpreter /usr/bin/qemu\nflags: \n")
    with pytest.raises(NotBuilt, match="without the flag F"):
        foreign.check(other(), ArchTest(other()), lost)
    off = emulator(tmp_path / "c", other(), "disabled\ninterpreter /usr/bin/qemu\nflags: F\n")
    assert foreign.emulator_flags(other(), off) is None
    foreign.check(other(), ArchTest(other()), tmp_path)  # it runs without an emulator: armhf on many an arm64


def test_files_come_with_their_modes_and_nothing_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/b").write_text("b")
    (folder / "a").write_text("a")
    (folder / "a").chmod(0o755)
    (folder / "hard").hardlink_to(folder / "a")
    (folder / "link").symlink_to("/etc/shadow")
    parts = (
        TreeFile(path="/etc/x", content=b"x", mode=0o600, owner=3, group=4),
        TreeLink(path="/etc/y", target="/etc/x"),
        TreeCopy(path="/opt/f", source=folder),
    )
    additions.write_tar(parts, tmp_path / "a.tar", EPOCH)
    additions.write_tar(parts, tmp_path / "b.tar", EPOCH)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        found = {one.name: one for one in tar}
        assert [*found] == ["etc/x", "etc/y", "opt/f", "opt/f/a", "opt/f/hard", "opt/f/inner", "opt/f/inner/b",
                            "opt/f/link"]  # fmt: skip
        hard = tar.extractfile("opt/f/hard")
        assert hard is not None
        assert hard.read() == b"a"
    assert (found["etc/x"].mode, found["etc/x"].uid, found["etc/x"].gid) == (0o600, 3, 4)
    assert found["opt/f/link"].linkname == "/etc/shadow"
    assert {one.mtime <= EPOCH for one in found.values()} == {True}
    assert {(one.uid, one.uname) for name, one in found.items() if name != "etc/x"} == {(0, "")}


@pytest.mark.parametrize("path", ["etc/x", "/", "/etc/../../x", ""])
def test_a_path_that_leads_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(NotBuilt):
        additions.write_tar((TreeFile(path=path),), tmp_path / "a.tar", EPOCH)


def test_a_source_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="nothing"):
        additions.write_tar((TreeCopy(path="/x", source=tmp_path / "nothing"),), tmp_path / "a.tar", EPOCH)


def test_only_processor_and_kernel_tell_slaves_apart() -> None:
    pc, pi = (slave.recipe(suite="bookworm", arch=arch) for arch in ("amd64", "arm64"))
    assert set(pc.packages) ^ set(pi.packages) == {"linux-image-amd64", "linux-image-arm64", "raspi-firmware"}
    assert (pc.files, pc.hooks) == (pi.files, pi.hooks)
    assert slave.FIRMWARE_COMPONENT in pi.components
    assert pc.components == ("main",)
    small = slave.recipe(
        suite="bookworm", arch="amd64", full=False, kernel="linux-image-cloud-amd64", packages=("vim",)
    )
    assert {"vim", "linux-image-cloud-amd64", "openssh-server"} <= set(small.packages)
    assert "linux-image-amd64" not in small.packages
    assert set(slave.MINIMAL) < set(slave.FULL)


def heard(lines: str, hearing: Callable[[str], None]) -> None:
    for line in lines.splitlines():
        hearing(line)


def test_aptstatus_becomes_bytes() -> None:
    told: list[Progress] = []
    fetching = Fetching(told.append, 2_000_000)
    heard("Get:1 http://x\ndlstatus:1:25.0000:Retrieving file 1 of 4\ndlstatus:9:100.0000:x\n", fetching.hear)
    assert [one.done for one in told] == [500_000, 2_000_000]


def test_each_package_is_counted_once_and_complaints_are_kept() -> None:
    told: list[Progress] = []
    installing = Installing(told.append, 2)
    heard(
        "I: installing essential packages...\nUnpacking libc6:amd64 (2.36) ...\nSetting up libc6:amd64 (2.36) ...\n"
        "Unpacking dbus (1) ...\nSetting up dbus (1) ...\nSetting up dbus (1) ...\n"
        "update-initramfs: Generating /boot/initrd.img-6\nI: cleaning package lists and apt cache...\n"
        "E: something\nW: nothing much\n",
        installing.hear,
    )
    assert [(one.phase, one.done) for one in told] == [
        ("install", 0), ("install", 1), ("install", 1), ("install", 2), ("install", 2), ("initramfs", 0), ("clean", 0)
    ]  # fmt: skip
    assert installing.complaints == ["E: something"]
