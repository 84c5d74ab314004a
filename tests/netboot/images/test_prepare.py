"""Prepared versions, for real: made, found to be prepared, and killed at every step."""

from __future__ import annotations

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from graped.config.types import Prepare
from graped.errors import BadImage, CommandFailed
from graped.netboot.images.diff import diff_trees
from graped.netboot.images.prepare import MARK, outstanding, prepare
from graped.netboot.images.record import ImageRecord, from_json, to_json
from graped.netboot.images.store import ImageStore
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.netboot.images.tiny import (
    ROOT_ONLY,
    mounts_of_this_process,
    processes_in,
    raspberry_root,
    write,
)

pytestmark = [pytest.mark.lab, ROOT_ONLY]
NOTHING = Prepare()
SCRIPT = """#!/bin/sh
set -e
echo "in the image as $(id -u)"
echo made > /etc/made-by-script
touch /etc/ssh/ssh_host_rsa_key
"""


@pytest.fixture
def image(store: ImageStore, tmp_path: Path) -> ImageRecord:
    store.wall = itertools.count(1_700_000_000.0).__next__  # the newest is what is found
    return store.import_tree("pi", raspberry_root(tmp_path / "tree"), "a test", Work())


def script(tmp_path: Path, text: str = SCRIPT) -> Prepare:
    path = tmp_path / "script"
    path.write_text(text)
    (tmp_path / "motd").write_text("hello\n")
    return Prepare(files={"/etc/motd": str(tmp_path / "motd")}, scripts=(str(path),))


def test_preparing_makes_a_new_version_and_leaves_the_old_one(store: ImageStore, image: ImageRecord) -> None:
    made = prepare(store, image, NOTHING, Work())
    assert made.ref != image.ref
    assert (made.name, made.parent, made.prepared) == ("pi", image.ref, True)
    assert made.note == ""
    assert made.boot == "boot/firmware"
    assert store.find("pi") == made
    assert store.verify(image, Work()) == ()
    changed = {change.path for change in diff_trees(store.root(image), store.root(made), Work())}
    assert {"etc/fstab", "etc/machine-id", "usr/lib/grape/ephemeral-init", MARK} <= changed
    assert not any(path.startswith(("bin", "boot")) for path in changed)


def test_preparing_twice_says_that_nothing_is_to_be_done(store: ImageStore, image: ImageRecord) -> None:
    made = prepare(store, image, NOTHING, Work())
    assert outstanding(store.root(image), NOTHING)
    assert outstanding(store.root(made), NOTHING) == ()
    assert prepare(store, made, NOTHING, Work()) == made
    assert prepare(store, image, NOTHING, Work()) == made, "the same tree is the same version"
    assert len(store.all()) == 2


def test_a_tree_that_came_prepared_is_only_marked(store: ImageStore, image: ImageRecord) -> None:
    made = prepare(store, image, NOTHING, Work())
    brought = store.import_tree("other", store.root(made), "a tarball", Work())
    assert not brought.prepared
    assert prepare(store, brought, NOTHING, Work()) == dataclasses.replace(brought, prepared=True)
    assert store.find("other").prepared
    assert store.verify(store.find("other"), Work()) == ()


def test_files_and_scripts_of_the_configuration(store: ImageStore, image: ImageRecord, tmp_path: Path) -> None:
    lines: list[str] = []
    preparation = script(tmp_path)
    made = prepare(store, image, preparation, Work(), lines.append)
    root = store.root(made)
    assert lines == ["in the image as 0"]
    assert (root / "etc/motd").read_text() == "hello\n"
    assert (root / "etc/made-by-script").read_text() == "made\n"
    assert not (root / "etc/ssh/ssh_host_rsa_key").exists(), "what a script makes is not left in either"
    assert outstanding(root, preparation) == ()
    assert prepare(store, made, preparation, Work(), lines.append) == made
    assert lines == ["in the image as 0"], "it has run already"
    (tmp_path / "script").write_text(SCRIPT + "echo changed > /etc/changed\n")
    again = prepare(store, made, preparation, Work())
    assert (store.root(again) / "etc/changed").exists()


def test_a_script_that_fails_makes_no_version(store: ImageStore, image: ImageRecord, tmp_path: Path) -> None:
    preparation = script(tmp_path, "#!/bin/sh -e\necho no such package\nexit 100\n")
    with pytest.raises(CommandFailed, match="code 100: no such package") as caught:
        prepare(store, image, preparation, Work())
    assert str(tmp_path / "script") in caught.value.detail
    assert store.all() == (image,)
    assert not list(store.folder.glob(".partial-*"))


def test_what_the_configuration_names_must_be_there(store: ImageStore, image: ImageRecord) -> None:
    with pytest.raises(BadImage, match="cannot read /no/such/file"):
        prepare(store, image, Prepare(files={"/etc/x": "/no/such/file"}), Work())
    with pytest.raises(BadImage, match="cannot read /no/such/script"):
        prepare(store, image, Prepare(scripts=("/no/such/script",)), Work())


def test_a_tree_that_leads_out_is_refused_and_nothing_outside_changes(store: ImageStore, tmp_path: Path) -> None:
    root = raspberry_root(tmp_path / "tree")
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "usr/lib/grape").symlink_to(outside)
    image = store.import_tree("evil", root, "a test", Work())
    with pytest.raises(BadImage, match="usr/lib/grape"):
        prepare(store, image, NOTHING, Work())
    assert list(outside.iterdir()) == []
    assert store.all() == (image,)


CRASH = """
import os, signal, sys
from pathlib import Path
from graped.config.types import Prepare
from graped.netboot.images.prepare import prepare
from graped.netboot.images.store import ImageStore
from graped.runner import SubprocessRunner
from graped.work import Work
folder, die_at, script = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
count = 0
def step(name):
    global count
    count += 1
    if count == die_at:
        print(name, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
def heard(line):
    step("script says " + line)
store = ImageStore(folder, SubprocessRunner(), lambda: 1_800_000_000.0, step=step)
prepare(store, store.find("pi"), Prepare(scripts=(script,)), Work(), heard)
"""


def test_killed_at_every_step_it_is_the_old_state_or_the_new_one(
    store: ImageStore, image: ImageRecord, tmp_path: Path
) -> None:
    """As graped is killed: at each of its own steps, and while a script runs that has left something behind."""
    write(tmp_path, "script", "#!/bin/sh\nsetsid sleep 1000 &\necho running\nsync\n", 0o755)
    died: list[str] = []
    while True:
        argv = [sys.executable, "-c", CRASH, str(store.folder), str(len(died) + 1), str(tmp_path / "script")]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        died.append(done.stdout.strip())
        state_after_a_crash(store, image)
        for record in store.all():
            if record != image:
                store.remove(record)
    assert {"begun", "cloned", "edited", "script says running", "ran", "finished", "renamed", "sealed"} <= {*died}
    assert [record.prepared for record in store.all()] == [False, True]


def state_after_a_crash(store: ImageStore, image: ImageRecord) -> None:
    ImageStore(store.folder, SubprocessRunner(), lambda: 1.0).recover()
    assert not list(store.folder.glob(".*")), "nothing half done is left"
    records = store.all()
    assert records[0] == image
    assert [record.prepared for record in records[1:]] in ([], [True])
    for record in records:
        assert store.verify(record, Work()) == ()
    assert processes_in(store.folder) == []
    assert f"{store.folder}/" not in mounts_of_this_process()


def test_a_record_survives_being_marked(image: ImageRecord) -> None:
    assert from_json(to_json(dataclasses.replace(image, prepared=True))).prepared
    assert json.loads(to_json(image))["prepared"] is False
