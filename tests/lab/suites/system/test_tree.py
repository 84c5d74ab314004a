"""A tree is built without any network, is the same each time, and a build that is broken off leaves nothing."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab import remains
from tests.lab.packages import slave_packages
from tests.lab.run import Run

ROOT = Path(__file__).parents[4]
SMALL = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from graped.runner import SubprocessRunner
from master_setup.image import cli, console
from master_setup.image.tree import Cache, Recipe, TreeFile, build_tree
recipe = Recipe(
    suite="bookworm", arch="amd64", packages=("iproute2",), files=(TreeFile(path="/etc/hello", content=b"hello"),),
    hooks=(("sh", "-c", "cat /etc/hello > /etc/hook"),), left_out=("/usr/share/doc/*",),
)
cli.catch_signals()
cache = Cache(Path(sys.argv[2]), offline=True)
build_tree(recipe, Path(sys.argv[1]), cache, SubprocessRunner(), console.choose("lines").tell)
"""
# A network of its own with nothing in it, not even a loopback that is up.
NO_NETWORK = ("unshare", "--net", "--")
BUILD_S = 300.0
GONE_S = 60.0


def command(into: Path) -> list[str]:
    return [*NO_NETWORK, sys.executable, "-c", SMALL, str(into), str(slave_packages())]


@contextmanager
def building(into: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a build that is installing packages."""
    with subprocess.Popen(command(into), stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("install: ") and not line.startswith("install: 0"):
                break
        try:
            yield child
        finally:
            child.kill()


def nothing_runs_or_is_mounted(folder: Path) -> None:
    ends = time.monotonic() + GONE_S
    while True:
        found = [str(point) for point in remains.mounts(folder)]
        found += [
            line for line in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            .splitlines() if str(folder) in line and not line.startswith(sys.executable)
        ]  # fmt: skip
        if not found:
            return
        assert time.monotonic() < ends, found
        time.sleep(0.1)


def test_the_same_packages_give_the_same_tar(lab: Run, capsys: pytest.CaptureFixture[str]) -> None:
    digests, times = [], []
    for name in ("one", "two"):
        began = time.monotonic()
        into = lab.room / name / "made.tar"
        into.parent.mkdir()
        subprocess.run(command(into), check=True, timeout=BUILD_S, capture_output=True)
        times.append(time.monotonic() - began)
        digests.append(hashlib.sha256(into.read_bytes()).hexdigest())
        assert [path.name for path in into.parent.iterdir()] == ["made.tar"]
    assert digests[0] == digests[1]
    listed = subprocess.run(["tar", "tf", into], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"./etc/hello", "./etc/hook", "./usr/bin/ip", "./etc/apt/sources.list.d/debian.sources"} <= set(listed)
    assert not [name for name in listed if name.startswith("./var/cache/apt/archives/b")]
    assert "./etc/apt/sources.list" not in listed  # what it was built from is no place for a node
    with capsys.disabled():
        print(f"\na small tree, without a network: {times[0]:.0f} s, {times[1]:.0f} s, both the same", end=" ")


def test_broken_off_it_leaves_nothing(lab: Run) -> None:
    folder = lab.room / "here"
    folder.mkdir()
    with building(folder / "made") as child:
        child.send_signal(signal.SIGINT)
        child.wait(GONE_S)
        assert list(folder.iterdir()) == []
    nothing_runs_or_is_mounted(folder)


def test_killed_it_leaves_no_mount_and_no_program(lab: Run) -> None:
    folder = lab.room / "here"
    folder.mkdir()
    with building(folder / "made") as child:
        child.kill()
        child.wait(GONE_S)
        nothing_runs_or_is_mounted(folder)
        assert not (folder / "made").exists()
