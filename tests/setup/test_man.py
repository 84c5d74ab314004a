"""The man pages say what the programs say of themselves, and can be read."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest

from master_setup.lockfile import FOLDER
from master_setup.man import of_markdown, roff
from master_setup.man.__main__ import PLACE
from master_setup.man.pages import render

SAMPLE = (FOLDER.parent / "config.toml").read_text()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return render()


def test_the_pages_are_not_stale(pages: dict[str, str]) -> None:
    written = {path.name: path.read_text() for path in PLACE.iterdir()}
    stale = [name for name in pages.keys() | written.keys() if pages.get(name) != written.get(name)]
    assert stale == [], "run make man"


def test_the_width_of_the_terminal_changes_nothing(pages: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert render() == pages


def test_every_command_of_the_command_line_is_there(pages: dict[str, str]) -> None:
    for words in ("power cycle", "image import", "node set", "jobs cancel"):
        assert f'.SS "grapecli {words}' in pages["grapecli.1"]


def test_every_key_of_the_sample_is_there(pages: dict[str, str]) -> None:
    keys = set(re.findall(r"^# ?([a-z_]+) = ", SAMPLE, re.MULTILINE)) | set(tomllib.loads(SAMPLE)["cluster"]["stacks"])
    told = set(re.findall(r"^\\fB([a-z_]+)", pages["grape.toml.5"], re.MULTILINE))
    assert {key for key in keys if not key.isdigit()} - told == set()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_formatter_finds_nothing_wrong(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        done = subprocess.run(
            ("groff", "-man", "-Tutf8", "-ww", "-rLL=200n"),
            input=text,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        assert done.stderr == "", name


def test_text_cannot_become_a_macro() -> None:
    assert roff.paragraph(".so /etc/passwd") == ".PP\n\\&.so /etc/passwd\n"
    assert roff.spans("a `b-c\\` and **d**, [e](f.md)") == "a \\fBb\\-c\\e\\fR and \\fBd\\fR, e"


def test_markdown() -> None:
    table = "| key | default | meaning |\n|---|---|---|\n| `k` | `1` | what |\n"
    text = f"## A\nWords\nand more.\n\n- one\n- two\n\n{table}\n## B\nno\n"
    assert of_markdown.convert(of_markdown.part(text, "A")) == (
        ".PP\nWords and more.\n.IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n.TP\n\\fBk = 1\\fR\nwhat\n"
    )
