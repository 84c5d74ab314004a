"""What is asked of a master's image: refused before anything is built, and never with a password told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from graped.errors import RequestError
from master_setup.image import wishes
from master_setup.image.wishes import Wishes

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhTn8f8m2q8h4f7 mary@laptop"
GOOD = Wishes(user="mary", ssh_keys=(KEY,))


def test_good_ones() -> None:
    wishes.check(GOOD)
    wishes.check(dataclasses.replace(GOOD, ssh_keys=(), password="correct horse"))
    wishes.check(dataclasses.replace(GOOD, interface="eth0", address="10.77.0.1/24", timezone="Europe/Berlin"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ssh_keys": ()}, "no default password"),
        ({"user": "root"}, "takes no logins"),
        ({"user": "Mary Ann"}, "no user name"),
        ({"hostname": "-x"}, "no host name"),
        ({"hostname": "a.b"}, "no host name"),
        ({"timezone": "../../etc/shadow"}, "no time zone"),
        ({"wifi_country": "de"}, "no country"),
        ({"packages": ("vim; reboot",)}, "no package name"),
        ({"kernel": "-o x"}, "no package name"),
        ({"interface": "eth0"}, "belong together"),
        ({"address": "10.77.0.1/24"}, "belong together"),
    ],
)
def test_bad_ones(change: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        wishes.check(dataclasses.replace(GOOD, **change))  # type: ignore[arg-type]


def test_a_password_is_not_shown() -> None:
    assert "horse" not in repr(dataclasses.replace(GOOD, password="horse"))


def test_sizes() -> None:
    assert wishes.size("4G") == 4 * 1024**3
    assert wishes.size("2500M") == 2500 * 1024**2
    for text in ("4", "4g", "-4G", "4.5G", ""):
        with pytest.raises(RequestError, match="no size"):
            wishes.size(text)


def test_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# mine\n\n{KEY}\nssh-rsa AAAAB3Nza\n")
    assert wishes.read_keys(file) == (KEY, "ssh-rsa AAAAB3Nza")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "is a private key"),
        ("\n# nothing\n", "has no public SSH key"),
        ("hello\n", "is no public SSH key"),
        ('command="rm -rf /" ssh-rsa AAAA\n', "is no public SSH key"),
    ],
)
def test_what_is_no_key(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(RequestError, match=says):
        wishes.read_keys(tmp_path / "keys")


def test_passwords(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("käse und wein \r\nsecond line\n")
    assert wishes.read_password(file) == "käse und wein "
    for text in ("\n", "", "a\tb\n"):
        file.write_text(text)
        with pytest.raises(RequestError, match="is no password"):
            wishes.read_password(file)
    with pytest.raises(RequestError, match="cannot be read"):
        wishes.read_password(tmp_path / "none")
