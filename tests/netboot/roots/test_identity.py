"""What makes a tree one particular node."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.netboot.blocks import BEGIN, END
from graped.netboot.roots.identity import TIMESYNCD, Identity, personal_files, personalise, stamps

IDENTITY = Identity(
    hostname="worker-0-3",
    domain="grape",
    machine_id="0123456789abcdef" * 2,
    master=IPv4Address("10.77.0.1"),
    authorized_keys=("ssh-ed25519 AAAA grape",),
    fstab=("10.77.0.1:/v /srv/grape/volume nfs defaults 0 0",),
    ntp=("10.77.0.1", "10.77.0.2"),
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 builder\n10.0.0.9 printer\n")
    (root / "etc/fstab").write_text("proc /proc proc defaults 0 0\n")
    return root


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("ssh_host_ed25519_key", "ssh_host_rsa_key"):
        (folder / name).write_text(f"private {name}")
        (folder / f"{name}.pub").write_text(f"public {name}")
    (folder / "notes").write_text("not a key")
    return folder


def test_a_tree_becomes_a_node(image: Path, keys: Path) -> None:
    personalise(image, replace(IDENTITY, host_keys=keys))
    assert (image / "etc/hostname").read_text() == "worker-0-3\n"
    assert (image / "etc/hosts").read_text() == (
        f"127.0.0.1 localhost\n10.0.0.9 printer\n{BEGIN}\n"
        f"127.0.1.1\tworker-0-3.grape worker-0-3\n10.77.0.1\tmaster.grape master\n{END}\n"
    )
    assert (image / "etc/machine-id").read_text() == f"{IDENTITY.machine_id}\n"
    assert (image / "etc/fstab").read_text().startswith("proc /proc proc defaults 0 0\n")
    assert IDENTITY.fstab[0] in (image / "etc/fstab").read_text().splitlines()
    assert "NTP=10.77.0.1 10.77.0.2" in (image / TIMESYNCD).read_text()
    assert (image / "etc/ssh/ssh_host_rsa_key").read_text() == "private ssh_host_rsa_key"
    modes = {name: oct((image / name).stat().st_mode & 0o7777) for name in (
        "etc/machine-id", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "root", "root/.ssh",
        "root/.ssh/authorized_keys")}  # fmt: skip
    assert list(modes.values()) == ["0o444", "0o600", "0o644", "0o700", "0o700", "0o600"]
    assert not (image / "etc/ssh/notes").exists()


def test_it_becomes_another_node_and_the_owner_keeps_his_lines(image: Path) -> None:
    personalise(image, IDENTITY)
    with (image / "root/.ssh/authorized_keys").open("a") as stream:
        stream.write("ssh-rsa BBBB somebody\n")
    personalise(image, replace(IDENTITY, hostname="worker-0-4", authorized_keys=("ssh-ed25519 CCCC new",)))
    keys = (image / "root/.ssh/authorized_keys").read_text().splitlines()
    assert keys == ["ssh-rsa BBBB somebody", BEGIN, "ssh-ed25519 CCCC new", END]
    assert "worker-0-3" not in (image / "etc/hosts").read_text()


def test_twice_is_as_once(image: Path) -> None:
    names = personalise(image, IDENTITY)
    before = {name: (image / name).read_bytes() for name in names}
    assert personalise(image, IDENTITY) == names
    assert before == {name: (image / name).read_bytes() for name in names}


def test_files_can_be_written_beside_a_tree_that_is_only_read(image: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    personalise(private, IDENTITY, base=image)
    assert "printer" in (private / "etc/hosts").read_text()
    assert sorted(path.name for path in (image / "etc").iterdir()) == ["fstab", "hosts"]


def test_stamps_say_what_an_untouched_node_has(image: Path) -> None:
    expected = stamps(image, IDENTITY)
    personalise(image, IDENTITY)
    assert stamps(image, IDENTITY) == expected
    assert expected["root/.ssh"] == expected["etc"] == ""
    assert expected["etc/machine-id"].startswith("0444 0:0 ")


def test_an_image_without_hosts_knows_itself() -> None:
    files = personal_files(replace(IDENTITY, domain="", ntp=()), lambda name: b"")
    assert files["etc/hosts"].content.startswith(b"127.0.0.1\tlocalhost\n::1\tlocalhost\n")
    assert b"127.0.1.1\tworker-0-3\n" in files["etc/hosts"].content
    assert TIMESYNCD not in files


def test_bytes_that_are_no_text_stay() -> None:
    files = personal_files(IDENTITY, lambda name: b"\xff\xfe name\n")
    assert b"\xff\xfe name\n" in files["etc/hosts"].content


def test_a_machine_id_is_one() -> None:
    with pytest.raises(ValueError, match="32 hex"):
        personal_files(replace(IDENTITY, machine_id="x"), lambda name: b"")
