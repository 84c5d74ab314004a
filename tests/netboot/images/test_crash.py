"""SIGKILL at every step of an import and of a removal: the old state or the new one, and nothing left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graped.netboot.images.leftovers import LOOPS, loops_below
from graped.netboot.images.store import ImageStore
from graped.netboot.mountinfo import mounted_below
from graped.work import Progress, Work
from tests.netboot.images.building import plain_tree, portrait
from tests.netboot.images.victim import act

pytestmark = pytest.mark.lab
END = ["step:manifest", "step:record", "step:synced", "step:renamed", "step:sealed"]
IMG = [
    "step:begun", "phase:read", "step:spooled", "step:mount point made", "program:mount", "step:mounted", "phase:count",
    "phase:copy", "step:root copied", "program:umount", "step:unmounted", "phase:boot files", "program:mcopy",
    "step:boot files copied", "step:spool removed", "phase:digest", "phase:sync", "program:sync", *END,
]  # fmt: skip
TAR = ["step:begun", "phase:read", "step:unpacked", *END]
TREE = ["step:begun", "phase:copy", "step:copied", *END]
REMOVE = ["step:grave made", "step:out of sight", "rmdir:1", "rmdir:4", "step:removed"]
NEW_FROM = {"step:renamed", "step:sealed"}  # from here on the new state is the right one
OLD_UNTIL = {"step:grave made"}  # in a removal: until here the old one
POINTS = [
    *(("img", point) for point in IMG),
    *(("tar", point) for point in TAR),
    *(("tree", point) for point in TREE),
    *(("remove", point) for point in REMOVE),
]


@pytest.fixture
def inputs(img: tuple[Path, Path, Path], tmp_path: Path) -> Callable[[str], tuple[str, Path]]:
    def make(what: str) -> tuple[str, Path]:
        match what:
            case "img":
                return "stream", img[0]
            case "tar":
                with tarfile.open(tmp_path / "tree.tar", "w") as archive:
                    archive.add(img[1], ".")
                return "stream", tmp_path / "tree.tar"
            case _:
                return ("remove" if what == "remove" else "tree"), img[1]

    return make


def settled(store: ImageStore) -> bool:
    """Wait until what outlived its parent has ended; whether nothing is left."""
    for _ in range(50):
        if not mounted_below(store.folder) and not loops_below(store.folder, LOOPS):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(("what", "point"), POINTS, ids=[f"{what}-{point}" for what, point in POINTS])
def test_killed(
    store: ImageStore, inputs: Callable[[str], tuple[str, Path]], tmp_path: Path, what: str, point: str
) -> None:
    action, source = inputs(what)
    other = store.import_tree("other", plain_tree(tmp_path / "plain"), "plain", Work())
    if what == "remove":
        store.import_tree("new", source, "tree", Work())
    before, looks = store.all(), portrait(store.root(other))

    argv = [sys.executable, "-m", "tests.netboot.images.victim", str(store.folder), action, str(source), point]
    died = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr

    listed = [record.ref for record in store.all()]
    cleaned = store.recover()
    after = store.all()
    assert [record.ref for record in after] == listed  # what is half done was never shown
    assert sorted(os.listdir(store.folder)) == sorted(listed)
    assert settled(store)
    assert portrait(store.root(other)) == looks
    names = [record.name for record in after]
    if what == "remove":
        assert names == (["new", "other"] if point in OLD_UNTIL else ["other"])
    else:
        assert names == (["new", "other"] if point in NEW_FROM else ["other"])
        assert bool(cleaned) == (point not in NEW_FROM)
    assert other in after
    assert {record.name for record in set(after) - set(before)} <= {"new"}

    if what != "remove":  # nothing is in the way of doing it again
        act(store, action, source, Work())
        assert store.verify(store.find("new"), Work()) == ()
    elif names == ["new", "other"]:
        assert store.verify(store.find("new"), Work()) == ()
    assert store.recover() == ()


@pytest.mark.parametrize(("what", "points"), [("img", IMG), ("tar", TAR), ("tree", TREE), ("remove", REMOVE)])
def test_no_step_is_left_out(
    store: ImageStore, inputs: Callable[[str], tuple[str, Path]], what: str, points: list[str]
) -> None:
    action, source = inputs(what)
    if what == "remove":
        store.import_tree("new", source, "tree", Work())
    steps: list[str] = []
    phases: list[str] = []

    def tell(now: Progress) -> None:
        phases.append(now.phase)

    watched = ImageStore(store.folder, store.runner, store.wall, step=steps.append)
    act(watched, action, source, Work(tell))
    assert [f"step:{step}" for step in steps] == [point for point in points if point.startswith("step:")]
    if what == "img":
        assert [f"phase:{phase}" for phase in dict.fromkeys(phases)] == [p for p in points if p.startswith("phase:")]
