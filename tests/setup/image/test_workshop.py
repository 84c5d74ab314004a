"""The folder of a build goes, and so does that of a build that was killed; never that of one that runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graped.runner import SubprocessRunner
from master_setup.image.workshop import FRESH_S, PREFIX, workshop

ROOT = Path(__file__).parents[3]
HELD = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from graped.runner import SubprocessRunner
from master_setup.image.workshop import workshop
with workshop(Path(sys.argv[1]), SubprocessRunner(), as_root=True) as work:
    (work / "inner").mkdir()
    print(work, flush=True)
    time.sleep(60)
"""


def age(path: Path) -> None:
    old = time.time() - FRESH_S - 60
    os.utime(path, (old, old))


def test_it_is_gone_afterwards_whatever_happens(tmp_path: Path) -> None:
    def interrupted() -> None:
        with workshop(tmp_path, SubprocessRunner(), as_root=True) as work:
            (work / "made").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_of_a_killed_build_nothing_is_left_by_the_next_one_and_a_running_one_is_left_alone(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HELD, str(tmp_path)]
    with (
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running,
    ):
        assert killed.stdout is not None
        assert running.stdout is not None
        lost, held = Path(killed.stdout.readline().strip()), Path(running.stdout.readline().strip())
        killed.kill()
        killed.wait(10)
        for path in (lost, held):
            age(path)
        (tmp_path / f"{PREFIX}link").symlink_to(tmp_path)
        with workshop(tmp_path, SubprocessRunner(), as_root=True):
            assert not lost.exists()
            assert (held / "inner").exists()
        running.kill()
    assert {path.name for path in tmp_path.iterdir()} == {held.name, f"{PREFIX}link"}
