"""``grape-image master``: wrong usage is told before anything is fetched, with what helps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from master_setup.image import cli, master
from master_setup.image.recipe import NotBuilt

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHhTn8f8m2q8h4f7 mary@laptop\n"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/grape-0.1.0-py3-none-any.whl").touch()
    (tmp_path / "id.pub").write_text(KEY)
    out, wheels, key = (str(tmp_path / name) for name in ("grape.img.xz", "wheels", "id.pub"))
    return ["master", "--out", out, "--user", "mary", "--wheelhouse", wheels, "--ssh-key", key]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--arch", "amd64"], "a master's image is for arm64"),
        (["--hostname", "Not A Name"], "is no host name"),
        (["--interface", "eth0"], "--interface and --address belong together"),
        (["--size", "lots"], "is no size"),
        (["--package", "no package"], "is no package name"),
        (["--password-file", "/no/such/file"], "cannot be read"),
        (["--ssh-key", "/no/such/file"], "cannot be read"),
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str], change: list[str], says: str) -> None:
    assert cli.main([*words, *change]) == cli.USAGE
    assert says in capsys.readouterr().err


def test_somebody_has_to_be_able_to_log_in(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words[:-2]) == cli.USAGE
    said = capsys.readouterr().err
    assert "nobody could log in: there is no default password" in said
    assert "--ssh-key FILE or --password-file FILE" in said


def test_one_of_two_ways_to_get_grape(words: list[str]) -> None:
    for wrong in (words[:5] + words[7:], [*words, "--deb", "grape.deb"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(wrong)
        assert ended.value.code == cli.USAGE


def test_only_root_can_make_a_root(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(words) == cli.USAGE
    assert "needs root" in capsys.readouterr().err


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotBuilt) as failed:
        master.check_tools()
    assert "bmap-tools" in failed.value.hint
    assert failed.value.hint.startswith("sudo apt install ")
