"""``grapecli image build`` with a grape-image that behaves as the real one does, against the real API in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Served, serving
from tests.api.provision import Provision
from tests.cli.conftest import Run

FAKE = """#!{python}
import json, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
def tell(**fields): print(json.dumps(fields), file=sys.stderr, flush=True)
def interrupted(*_):
    (here / "cleaned").write_text("")
    sys.exit(130)
signal.signal(signal.SIGTERM, interrupted)
signal.signal(signal.SIGINT, interrupted)
(here / "argv").write_text(json.dumps(sys.argv[1:]))
tell(phase="download", done=500_000, total=1_000_000, unit="bytes")
tell(phase="install", done=12, total=34, unit="packages")
time.sleep(0.3)
{body}
"""
BUILDS = """
for _ in range(30): sys.stdout.buffer.write(bytes(100_000))
sys.stdout.flush()
tell(note="34 packages; asked for: dbus systemd")
"""


@pytest.fixture
def served(socket_path: Path) -> Iterator[Served]:
    with serving(socket_path) as one:
        yield one


@pytest.fixture
def provision(served: Served) -> Provision:
    assert served.rack.provision is not None
    return served.rack.provision


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a grape-image first in the path; what it does at last is given."""

    def fake(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "grape-image"
        program.write_text(FAKE.format(python=sys.executable, body=body))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder

    return fake


def refs(provision: Provision, name: str) -> list[str]:
    return [image.ref for image in provision.images() if image.name == name]


def test_what_is_built_is_imported_as_it_comes(run: Run, provision: Provision, fake: Callable[[str], Path]) -> None:
    folder = fake(BUILDS)
    words = ("--arch", "amd64", "--packages", "minimal", "--package", "vim", "--package", "nano", "--offline")
    ran = run("image", "build", "pc", *words, "--file", "a b:/etc/a", "--mirror", "http://me:secret@mirror/debian")
    assert ran.code == 0
    ref = ran.out.strip()
    assert ref.startswith("pc@")
    made = provision.image(ref)
    assert made.size_bytes == 3_000_000
    assert made.source == "grape-image: Debian bookworm, amd64"  # and nothing of what may be a secret
    lines = ran.err.splitlines()
    assert "download: 0.5 of 1.0 MB" in lines
    assert "install: 12 of 34 packages" in lines
    assert lines.index("install: 12 of 34 packages") < next(i for i, line in enumerate(lines) if "upload" in line)
    assert "34 packages; asked for: dbus systemd" in lines
    argv = json.loads((folder / "argv").read_text())
    assert argv[:3] == ["slave", "--out=-", "--progress=json"]
    assert sorted(argv[3:]) == sorted(
        ["--arch=amd64", "--suite=bookworm", "--packages=minimal", "--package=vim", "--package=nano", "--offline",
         "--file=a b:/etc/a", "--mirror=http://me:secret@mirror/debian"]
    )  # fmt: skip


def test_it_is_prepared_where_that_is_wanted(run: Run, provision: Provision, fake: Callable[[str], Path]) -> None:
    fake(BUILDS)
    ran = run("image", "build", "node", "--prepare", "--json")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.json["kind"] == "image.prepare"
    assert provision.image(ran.json["result"]).prepared
    assert len(refs(provision, "node")) == 2
    ran = run("image", "build", "node", "--prepare", "--no-wait")
    assert (ran.code, ran.out) == (2, "")


def test_a_build_that_fails_imports_nothing_and_says_why(
    run: Run, provision: Provision, fake: Callable[[str], Path]
) -> None:
    failure = 'tell(code="not_built", title="The image was not built", detail="no such package: vmi", hint="vim?")'
    fake(f"{failure}\nsys.exit(1)")
    ran = run("image", "build", "pc")
    assert (ran.code, ran.out) == (1, "")
    assert "The image was not built: no such package: vmi" in ran.err
    assert "hint: vim?" in ran.err
    ran = run("image", "build", "pc", "--json")
    assert json.loads(ran.err)["code"] == "not_built"
    assert refs(provision, "pc") == []


def test_a_wrong_word_has_the_code_of_wrong_usage(run: Run, served: Served, fake: Callable[[str], Path]) -> None:
    fake('tell(code="bad_request", title="t", detail="\'-x\' is no package name", hint="")\nsys.exit(2)')
    assert run("image", "build", "pc", "--package", "-x").code == 2


def test_a_tar_that_is_cut_short_is_no_image(run: Run, provision: Provision, fake: Callable[[str], Path]) -> None:
    fake(BUILDS + 'print("Traceback: killed", file=sys.stderr)\nsys.exit(137)')
    ran = run("image", "build", "pc")
    assert (ran.code, ran.out) == (1, "")
    assert "grape-image: Traceback: killed" in ran.err
    assert refs(provision, "pc") == []


def test_nothing_is_built_where_nobody_would_take_it(run: Run, fake: Callable[[str], Path]) -> None:
    folder = fake(BUILDS)
    assert run("image", "build", "pc").code == 3  # no graped
    assert not (folder / "argv").exists()


def test_names_are_judged_before_the_work(run: Run, served: Served, fake: Callable[[str], Path]) -> None:
    folder = fake(BUILDS)
    for name in ("-pc", "a b", "x" * 49, "a/b", "é"):
        assert run("image", "build", "--", name).code == 2
    assert run("image", "build").code == 2
    assert run("image", "build", "pc", "--arch", "vax").code == 2
    assert not (folder / "argv").exists()


def test_without_the_program_it_says_where_it_comes_from(
    run: Run, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "grapecli")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    ran = run("image", "build", "pc")
    assert ran.code == 1
    assert "grape-image is not installed" in ran.err


def test_ctrl_c_waits_until_the_build_has_cleaned_up(
    served: Served, provision: Provision, command: list[str], fake: Callable[[str], Path]
) -> None:
    folder = fake("time.sleep(60)")
    with subprocess.Popen([*command, "image", "build", "pc"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        ends = time.monotonic() + 20
        while not (folder / "argv").exists() and time.monotonic() < ends:
            time.sleep(0.02)
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, b"")
    assert b"The build was broken off; nothing of it is kept." in err
    assert (folder / "cleaned").exists()
    assert refs(provision, "pc") == []


def test_its_words_complete(command: list[str], served: Served, socket_path: Path) -> None:
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        env = {**os.environ, "_GRAPECLI_COMPLETE": "bash_complete", "COMP_WORDS": line,
               "COMP_CWORD": str(len(words) - 1), "GRAPE_SOCKET": str(socket_path)}  # fmt: skip
        done = subprocess.run(command[:3], env=env, capture_output=True, text=True, timeout=20, check=False)
        return [found.partition(",")[2] for found in done.stdout.splitlines()]

    assert complete("grapecli image bu") == ["build"]
    assert complete("grapecli image build --arch a") == ["arm64", "amd64", "armhf"]
    assert complete("grapecli image build --packages ") == ["minimal", "full"]
    assert "--offline" in complete("grapecli image build --o")
    assert complete("grapecli image build l") == ["lite"]
