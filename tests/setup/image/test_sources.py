"""Which package sources are Debian's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from master_setup.image import sources
from master_setup.image.sources import Source

DEBIAN = """\
# a comment
Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.debian.org/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm-backports
Components: main
"""
PI_OS = """\
deb http://deb.debian.org/debian bookworm main contrib non-free non-free-firmware
#deb-src http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian-security/ bookworm-security main # keep
deb http://deb.debian.org/debian bookworm-updates main
deb [signed-by=/usr/share/keyrings/raspberrypi.gpg] http://archive.raspberrypi.com/debian/ bookworm main
deb http://archive.raspberrypi.com/debian/ bookworm main
deb [arch=arm64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/debian bookworm stable
deb-src http://deb.debian.org/debian bookworm main
"""


def machine(folder: Path, **files: str) -> tuple[Source, ...]:
    (folder / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (folder / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return sources.read(folder)


def test_deb822_is_read_with_what_is_switched_off_left_out(tmp_path: Path) -> None:
    first, second = machine(tmp_path, debian_sources=DEBIAN, notes_txt="deb http://x y z")
    assert first.suites == ("bookworm", "bookworm-updates")
    assert first.signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert second.uris == ("http://security.debian.org/debian-security",)
    assert first.is_debian
    assert second.is_debian


def test_of_a_raspberry_pi_only_what_is_debians_is_taken(tmp_path: Path) -> None:
    found = machine(tmp_path, a_list=PI_OS)
    assert [one.is_debian for one in found] == [True, True, True, False, False, False]
    chosen = sources.debian(found, "bookworm", ("main",))
    assert [one.suites for one in chosen] == [("bookworm",), ("bookworm-security",), ("bookworm-updates",)]
    assert chosen[0].components == ("main", "contrib", "non-free", "non-free-firmware")


def test_components_are_added_to_what_is_there(tmp_path: Path) -> None:
    found = machine(tmp_path, a_sources=DEBIAN)
    assert {one.components for one in sources.debian(found, "bookworm", ("main", "non-free-firmware"))} == {
        ("main", "non-free-firmware")
    }


def test_another_suite_comes_from_the_same_mirror(tmp_path: Path) -> None:
    found = machine(tmp_path, a_sources=DEBIAN.replace("deb.debian.org", "mirror.example"))
    first, second = sources.debian(found, "trixie", ("main",))
    assert (first.uris, first.suites) == (("http://mirror.example/debian",), ("trixie", "trixie-updates"))
    assert second.suites == ("trixie-security",)


def test_without_any_it_is_debians_own() -> None:
    chosen = sources.debian((), "bookworm", ("main",))
    assert {one.uris[0] for one in chosen} == {sources.MIRROR, sources.SECURITY}


def test_what_is_written_is_read_again() -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n -----END PGP PUBLIC KEY BLOCK-----"
    one = Source(uris=("http://a/debian", "http://b/debian"), suites=("x",), components=("main",), signed_by=key)
    (again,) = sources.parse(one.text())
    assert again.signed_by.split() == key.split()
    assert (again.uris, again.suites, again.components) == (one.uris, one.suites, one.components)
    flat = Source(uris=("copy:/srv/x",), suites=("./",), components=(), trusted=True)
    assert sources.parse(flat.text()) == [flat]


@pytest.mark.parametrize("uri", ["file:/srv/debian", "copy:/srv/debian"])
def test_a_node_is_not_sent_to_a_folder_of_the_builder(uri: str) -> None:
    assert sources.for_tree((Source(uris=(uri,), suites=("bookworm",), components=("main",)),)) == ""
