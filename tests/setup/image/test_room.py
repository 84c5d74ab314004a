"""Where something is built: alone, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graped.errors import CommandFailed, Conflict, NoSpace, RequestError
from master_setup.image.feed import feed, pieces_of
from master_setup.image.progress import Progress
from master_setup.image.release import release
from master_setup.image.room import need, room


def test_it_is_gone_whatever_happens(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), room(tmp_path / "a.img.xz") as folder:
        (folder / "deep/er").mkdir(parents=True)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_two_builds_of_one_target(tmp_path: Path) -> None:
    with room(tmp_path / "a.img.xz") as folder:
        (folder / "disk.img").touch()
        with pytest.raises(Conflict, match="is being built already"), room(tmp_path / "a.img.xz"):
            pass
        assert (folder / "disk.img").exists()
        with room(tmp_path / "b.img.xz"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_has_left_goes(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from master_setup.image.room import room\n"
        "with room(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').touch(); time.sleep(60)\n"
    )
    target = tmp_path / "a.img.xz"
    child = subprocess.Popen((sys.executable, "-c", code, target))
    deadline = time.monotonic() + 20
    while not (left := list(tmp_path.glob(".*/half"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert left
    with room(target) as folder:
        assert os.listdir(folder) == []
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_said_before(tmp_path: Path) -> None:
    need(tmp_path, 1, "nothing")
    with pytest.raises(NoSpace, match=r"an image needs 1000000000.0 GB, [\d.]+ GB are free"):
        need(tmp_path, 10**18, "an image")


def test_names_of_what_is_given_out(tmp_path: Path) -> None:
    made = release(tmp_path / "grape.img.xz")
    assert [path.name for path in made.files] == ["grape.img.bmap", "grape.img.xz.sha256", "grape.img.xz"]
    for name in ("grape.img", ".img.xz", "grape.xz"):
        with pytest.raises(RequestError, match="does not end in"):
            release(tmp_path / name)
    with pytest.raises(RequestError, match="there is no folder"):
        release(tmp_path / "none/grape.img.xz")


def test_a_program_is_fed(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"x" * 2_500_000)
    told: list[Progress] = []
    feed(("tr", "x", "y"), pieces_of(source, "turn", told.append), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"y" * 2_500_000
    assert [one.done for one in told] == [0, 1_048_576, 2_097_152, 2_500_000]
    assert {one.total for one in told} == {2_500_000}


def test_a_program_that_ends_early_says_why() -> None:
    with pytest.raises(CommandFailed, match=r"ended with code 2: .*no-such-file"):
        feed(("ls", "/no-such-file"), iter([b"x" * 1_000_000] * 5))
    with pytest.raises(CommandFailed, match="cannot run no-such-program"):
        feed(("no-such-program",), iter([]))
