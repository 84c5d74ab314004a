"""Public keys of users and files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from master_setup import keys
from master_setup.keys import BadKeys
from master_setup.machine import Machine

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1Cl4xkUHcxg1z3K3Ng1XVvfmbA1G4hDv6nE8JdVb7x"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmary:x:1000:1000::/home/mary:/bin/sh\n")
    (tmp_path / "home/mary/.ssh").mkdir(parents=True)
    return Machine(root=tmp_path)


def test_keys_of_a_user(machine: Machine) -> None:
    folder = machine.path("/home/mary/.ssh")
    (folder / "id_ed25519.pub").write_text(f"{ED} mary@laptop\n")
    (folder / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (folder / "old.pub").write_text(f"# of old\n{RSA}\n{ED} again\nno key at all\n")
    assert keys.of_user(machine, "mary") == (f"{ED} mary@laptop", RSA)
    assert keys.of_user(machine, "nobody-here") == keys.of_user(machine, "") == ()


def test_root_is_not_led_astray(machine: Machine, tmp_path: Path) -> None:
    folder = machine.path("/home/mary/.ssh")
    (tmp_path / "root.pub").write_text(f"{ED} root\n")
    (folder / "link.pub").symlink_to(tmp_path / "root.pub")
    os.mkfifo(folder / "pipe.pub")
    (folder / "folder.pub").mkdir()
    (folder / "lies.pub").write_text(f"ssh-rsa {ED.split()[1]}\nssh-ed25519 AAAA\nssh-ed25519\n")
    assert keys.of_user(machine, "mary") == ()


def test_a_named_file(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f'from="10.0.0.1",no-pty {ED} a"b\\c\n')
    assert keys.from_file(str(path)) == (f"{ED} abc",)
    path.write_text("nothing\n")
    with pytest.raises(BadKeys, match="no public SSH key in"):
        keys.from_file(str(path))
    with pytest.raises(BadKeys, match="No such file"):
        keys.from_file(str(tmp_path / "gone"))


def test_merged() -> None:
    assert keys.merged([f"{ED} one"], [f"{ED} two", RSA]) == (f"{ED} one", RSA)
