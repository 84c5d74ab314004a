"""What a crash leaves in a half-made version is undone in the right order, and nothing elsewhere is touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from graped.errors import ServerError
from graped.netboot.images import leftovers
from graped.netboot.images.leftovers import LOOPS, clear, loops_below
from graped.netboot.images.store import ImageStore
from graped.netboot.mountinfo import mounted_below
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.netboot.images.building import MIB, plain_tree, run

pytestmark = pytest.mark.lab


def test_mounts_on_mounts_and_loop_devices_are_undone(store: ImageStore, tmp_path: Path) -> None:
    other = store.import_tree("other", plain_tree(tmp_path / "tree"), "tree", Work())
    draft = store.draft("half")
    inner = draft.path / "proc"
    inner.mkdir()
    run("mount", "-t", "tmpfs", "none", inner)
    (inner / "deeper").mkdir()
    run("mount", "-t", "tmpfs", "none", inner / "deeper")
    run("mount", "--bind", store.root(other), inner / "deeper")  # over the one before
    (draft.place / "volume.img").touch()
    os.truncate(draft.place / "volume.img", 2 * MIB)
    run("losetup", "--find", draft.place / "volume.img")
    assert len(mounted_below(store.folder)) == 3
    assert len(loops_below(store.folder, LOOPS)) == 1

    assert store.recover() == (draft.place.name,)
    assert mounted_below(store.folder) == ()
    assert loops_below(store.folder, LOOPS) == ()
    assert store.verify(other, Work()) == ()
    assert os.listdir(store.folder) == [other.ref]


def test_what_is_in_use_waits_for_the_next_time(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "TRIES", 2)
    draft = store.draft("half")
    run("mount", "-t", "tmpfs", "none", draft.path)
    user = subprocess.Popen(["sleep", "60"], cwd=draft.path)
    try:
        assert store.recover() == ()
        assert store.all() == ()
        with pytest.raises(ServerError, match="cannot be removed") as caught:
            clear(draft.place, SubprocessRunner())
        assert caught.value.hint
        assert mounted_below(draft.path) == (draft.path,)
    finally:
        user.kill()
        user.wait()
    assert store.recover() == (draft.place.name,)
    assert os.listdir(store.folder) == []
