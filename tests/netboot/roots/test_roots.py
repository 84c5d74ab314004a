"""Roots for real: what each strategy must do, and what no strategy may."""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graped.config.types import Strategy
from graped.errors import BadImage, Cancelled, Conflict, InUse, NotFound
from graped.netboot.roots.records import BadRecord, Origin
from graped.netboot.roots.roots import Retired
from graped.netboot.roots.volumes import ensure_volume
from graped.work import Progress, Work
from tests.netboot.roots.rig import CHANGES, NODE, OTHER, Rig, change_much, identity, told

writable = pytest.mark.parametrize(
    "strategy", [one for one in Strategy if one not in (Strategy.AUTO, Strategy.EPHEMERAL)]
)


@writable
def test_two_nodes_on_one_image_are_apart_and_leave_it_intact(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    for node in (NODE, OTHER):
        record = rig.create(strategy, node)
        assert (record.strategy, record.image, record.generation) == (strategy, rig.image.ref, "1")
        assert (rig.root(node) / "etc/hostname").read_text() == f"{node}\n"
        assert rig.diff(node) == []  # what Grape wrote is not the node's doing
    change_much(rig.root())
    assert told(rig.diff()) == CHANGES
    assert rig.diff(OTHER) == []
    assert (rig.root(OTHER) / "var/log/old").read_text() == "old\n"
    change_much(rig.root(OTHER))
    assert rig.intact()
    assert rig.roots.in_use_images() == {rig.image.ref}


@writable
def test_a_root_has_what_the_image_has(rig_of: Rig, strategy: Strategy) -> None:
    rig_of.create(strategy)
    root, tree = rig_of.root(), rig_of.images.root(rig_of.image)
    for name in ("usr/bin/tool", "var/log/old", "srv/null", "usr/lib/link", "usr/lib", "."):
        new, old = (root / name).lstat(), (tree / name).lstat()
        assert (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) == (old.st_mode, old.st_uid, old.st_gid, old.st_rdev)
    assert os.path.samefile(root / "usr/bin/tool", root / "usr/bin/twin")
    assert os.getxattr(root / "etc/issue", "user.colour") == b"purple"


@writable
def test_reset_snapshot_rollback(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    (rig.root() / "state").write_text("good")
    rig.snapshot("good")
    (rig.root() / "state").write_text("bad")
    after = rig.reset()
    assert not (rig.root() / "state").exists()
    assert [(one.label, one.by) for one in after.kept] == [("good", Origin.SNAPSHOT), ("reset-1", Origin.RESET)]
    rig.rollback("good")
    assert (rig.root() / "state").read_text() == "good"
    (rig.root() / "state").write_text("worse")
    rig.rollback("good")  # the snapshot is still what it was
    assert (rig.root() / "state").read_text() == "good"
    rig.rollback("reset-1")
    assert (rig.root() / "state").read_text() == "bad"
    assert rig.intact()


@writable
def test_a_rollback_without_a_label_takes_the_last_step_back(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    (rig.root() / "state").write_text("one")
    before = rig.root()
    new = rig.make_image("newer", "two")
    rig.create(strategy, image=new)
    assert (rig.root() / "etc/issue").read_text() == "two\n"
    assert rig.roots.in_use_images() == {rig.image.ref, new.ref}
    assert rig.roots.users_of(rig.image.ref) == (NODE,)
    back = rig.rollback()
    assert (rig.root(), back.image) == (before, rig.image.ref)
    assert (rig.root() / "state").read_text() == "one"
    again = rig.rollback()
    assert again.image == new.ref


@writable
def test_a_rollback_makes_the_old_root_the_node_it_is_now(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    (rig.root() / "etc/hosts").open("a").write("10.0.0.9 printer\n")
    rig.snapshot("old")
    rig.roots.rollback(NODE, "old", identity("renamed"), Work())
    assert (rig.root() / "etc/hostname").read_text() == "renamed\n"
    assert rig.diff() == [("changed", "etc/hosts", "content")]  # the printer is the node's doing, the name is not


@writable
def test_the_old_root_is_served_until_it_is_released(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    running = rig.root()
    (running / "file").write_text("x")
    rig.create(strategy, image=rig.make_image("newer", "two"))
    assert [(one.path, one.read_only) for one in rig.roots.exports(NODE)] == [(rig.root(), False), (running, False)]
    rig.roots.retire(NODE)
    assert (running / "file").read_text() == "x"  # nothing was pulled away
    rig.roots.release(NODE)
    assert [one.path for one in rig.roots.exports(NODE)] == [rig.root()]
    assert rig.roots.retire(NODE).busy == ()
    assert rig.mounted() == (["worker-0-0/2/fs"] if strategy is Strategy.OVERLAY else [])
    assert rig.there()[NODE] == ["1", "2"]  # the first is kept, to go back to


@writable
def test_old_roots_that_nobody_asked_to_keep_go(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    rig.snapshot("mine")
    for _ in range(5):
        rig.reset()
    rig.roots.release(NODE)
    dropped = rig.roots.retire(NODE).dropped
    assert dropped == ("1", "3")
    kept = [one.label for one in rig.roots.known(NODE).kept]
    assert kept == ["mine", "reset-4", "reset-5", "reset-6"]
    rig.roots.drop(NODE, "mine")
    assert rig.roots.retire(NODE).dropped == ("2",)
    assert rig.there()[NODE] == ["4", "5", "6", "7"]


@writable
def test_remove_leaves_nothing_of_the_node_and_all_of_the_others(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    rig.create(strategy)
    rig.create(strategy, OTHER)
    (rig.root(OTHER) / "file").write_text("x")
    (rig.folder / "volumes" / NODE).mkdir(parents=True)
    rig.snapshot("mine")
    rig.reset()
    rig.roots.remove(NODE)
    assert rig.roots.get(NODE) is None
    assert NODE not in rig.there()
    assert (rig.root(OTHER) / "file").read_text() == "x"
    assert (rig.folder / "volumes" / NODE).is_dir()
    rig.roots.remove(OTHER)
    assert rig.there() in ({}, {".bases": []})
    assert rig.mounted() == []
    assert rig.roots.in_use_images() == frozenset()
    with pytest.raises(NotFound, match="has no root"):
        rig.roots.remove(NODE)


@writable
def test_roots_come_back_after_a_reboot_of_the_master(rig_of: Rig, strategy: Strategy) -> None:
    rig = rig_of
    for node in (NODE, OTHER):
        rig.create(strategy, node)
        (rig.root(node) / "file").write_text(node)
    rig.reset(OTHER)
    before = rig.mounted()
    rig.unmount_all()
    again = rig.fresh()
    assert again.recover() == ()
    assert again.mount_all() == {}
    assert rig.mounted() == before
    assert (again.export_path(NODE) / "file").read_text() == NODE
    assert again.mount_all() == {}  # once more changes nothing
    assert rig.mounted() == before


def test_a_start_removes_what_is_half_made_and_no_volume(rig: Rig) -> None:
    volume = ensure_volume(rig.folder, NODE, 20_000_000, rig.runner)
    (rig.folder / "volumes" / ".new-worker-0-1-x").write_text("half")
    rig.create(Strategy.COPY)
    (rig.folder / "roots" / NODE / "7").mkdir()
    (rig.folder / "roots" / OTHER / "1" / "fs").mkdir(parents=True)
    (rig.folder / "private" / OTHER).mkdir(parents=True)
    removed = rig.fresh().recover()
    assert removed == (f"{NODE}/7", f"{OTHER}/1", OTHER, f"private/{OTHER}", ".new-worker-0-1-x")
    assert volume.exists()
    assert rig.there() == {NODE: ["1"]}


def test_a_root_that_cannot_be_mounted_is_told_and_the_others_are(rig: Rig) -> None:
    for node in (NODE, OTHER, "worker-0-2"):
        rig.create(Strategy.OVERLAY, node)
    rig.unmount_all()
    os.rename(rig.folder / "roots" / NODE / "1" / "upper", rig.folder / "elsewhere")
    (rig.folder / "roots" / "worker-0-2" / "root.json").write_text("torn")
    again = rig.fresh()
    before = rig.there()
    assert again.recover() == ()
    problems = again.mount_all()
    assert sorted(problems) == [NODE, "worker-0-2"]
    assert "mount" in problems[NODE]
    assert "cannot be read" in problems["worker-0-2"]
    assert rig.there() == before
    assert rig.mounted() == [f"{OTHER}/1/fs"]
    assert list(again.all()) == [NODE, OTHER]
    assert again.exports(NODE) == ()  # an NFS server would hold on to the empty folder below the mount
    assert [one.path for one in again.exports(OTHER)] == [rig.root(OTHER)]


def test_what_stands_of_a_node_is_known_without_its_record(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    rig.reset()
    (rig.folder / "roots" / NODE / "root.json").write_text("torn")
    with pytest.raises(BadRecord):
        rig.roots.exports(NODE)
    found = rig.fresh().standing(NODE)
    assert [one.path for one in found] == [rig.folder / "roots" / NODE / number / "fs" for number in ("2", "1")]
    (rig.folder / "roots" / NODE / "2" / "generation.json").write_text("torn")
    assert [one.generation for one in rig.roots.standing(NODE)] == ["1"]
    rig.unmount_all()
    assert rig.roots.standing(NODE) == ()


def test_a_busy_root_stays_whole(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    busy = os.open(rig.root() / "etc/issue", os.O_RDONLY)
    try:
        with pytest.raises(InUse, match="in use"):
            rig.roots.remove(NODE)
        assert os.pread(busy, 10, 0) == b"one\n"
        assert rig.roots.known(NODE).generation == "1"
        rig.reset()
        rig.roots.release(NODE)
        assert rig.roots.retire(NODE).busy == ("1",)
        with pytest.raises(InUse):
            rig.roots.remove(NODE)
        assert rig.mounted() == [f"{NODE}/1/fs", f"{NODE}/2/fs"]
        rig.fresh().recover()  # a restart does not pull it away either
        assert os.pread(busy, 10, 0) == b"one\n"
        assert (rig.folder / "roots" / NODE / "1" / "fs" / "etc/issue").read_text() == "one\n"
    finally:
        os.close(busy)
    assert rig.roots.retire(NODE).busy == ()
    rig.roots.remove(NODE)
    assert rig.there() == {}


def test_a_root_that_another_namespace_still_holds_is_mounted_when_it_is_free(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    (rig.folder / "srv").mkdir()
    rig.runner.run(("mount", "-t", "tmpfs", f"grape-{NODE}-1", str(rig.folder / "srv")), timeout_s=10.0)  # its name
    with subprocess.Popen(("unshare", "--mount", "sh", "-c", "echo; sleep 1"), stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.read(1)  # now it has a copy of all mounts
        rig.unmount_all()
        assert rig.fresh().mount_all() == {}
        assert holder.wait(0.3) == 0  # not before: it lets go of its mounts a moment before it has ended
    assert rig.mounted() == [f"{NODE}/1/fs"]


def test_an_ephemeral_node_has_the_image_and_its_own_files_beside_it(rig: Rig) -> None:
    rig.create(Strategy.EPHEMERAL)
    served = rig.roots.exports(NODE)
    private = rig.folder / "private" / NODE
    assert [(one.path, one.read_only) for one in served] == [(rig.images.root(rig.image), True), (private, True)]
    assert (private / "etc/hostname").read_text() == f"{NODE}\n"
    assert not (rig.root() / "etc/hostname").exists()
    (private / "etc/earlier").write_text("of another identity")
    kept_open = os.open(private, os.O_RDONLY)
    rig.reset()
    assert os.fstat(kept_open).st_ino == private.stat().st_ino  # mounted by the node: still the same folder
    os.close(kept_open)
    assert not (private / "etc/earlier").exists()
    assert rig.diff() == []
    with pytest.raises(Conflict, match="keeps nothing"):
        rig.snapshot("x")
    rig.create(Strategy.COPY)
    assert len(rig.roots.exports(NODE)) == 3
    assert rig.roots.known(NODE).kept == ()
    rig.roots.release(NODE)
    rig.roots.retire(NODE)
    assert not private.exists()
    assert rig.intact()


def test_auto_takes_what_the_file_system_can_do(rig: Rig, tmp_path: Path) -> None:
    assert rig.roots.choose(Strategy.AUTO) is Strategy.OVERLAY
    for strategy in (Strategy.BTRFS, Strategy.REFLINK):
        with pytest.raises(Conflict, match=f"roots by {strategy} cannot be made"):
            rig.create(strategy)
    assert rig.there() == {}
    assert rig.mounted() == []


def test_an_overlay_needs_a_plain_path(rig: Rig) -> None:
    odd = Rig(rig.folder / "a,b")
    assert odd.roots.choose(Strategy.AUTO) is Strategy.COPY
    with pytest.raises(Conflict, match="comma"):
        odd.create(Strategy.OVERLAY)


def test_what_is_called_in_passing_does_not_wait_for_a_long_copy(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    rig.create(Strategy.OVERLAY)
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Work):
        def check(self) -> None:
            begun.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(max_workers=1) as pool:
        copying = pool.submit(rig.roots.create, NODE, rig.image, Strategy.COPY, identity(), Slow())
        assert begun.wait(20)
        try:
            assert rig.roots.mount_all() == {}
            assert rig.roots.release(NODE).serving == ()
            assert rig.roots.retire(NODE) == Retired(dropped=(), busy=("1", "2", "3"))
            assert len(rig.roots.exports(NODE)) == 1
            assert rig.diff() == []
        finally:
            go_on.set()
        after = copying.result(20)
    assert (after.generation, after.serving) == ("3", ("2",))  # the release in between was not lost
    assert [one.generation for one in after.kept] == ["1", "2"]
    assert rig.roots.retire(NODE).busy == ()
    assert rig.mounted() == [f"{NODE}/2/fs"]


class StopAt(Work):
    """Work that is cancelled when its phase begins."""

    def __init__(self, phase: str) -> None:
        super().__init__(self._heard)
        self._phase = phase

    def _heard(self, progress: Progress) -> None:
        if progress.phase == self._phase:
            self.cancel()


@pytest.mark.parametrize("phase", ["count", "copy"])
def test_cancelled_work_leaves_the_old_root_and_nothing_else(rig: Rig, phase: str) -> None:
    rig.create(Strategy.COPY)
    before = rig.there(), rig.roots.known(NODE)
    with pytest.raises(Cancelled):
        rig.roots.create(NODE, rig.image, Strategy.COPY, identity(), StopAt(phase))
    with pytest.raises(Cancelled):
        rig.roots.snapshot(NODE, "x", StopAt(phase))
    assert (rig.there(), rig.roots.known(NODE)) == before


def test_a_number_is_never_used_twice(rig: Rig) -> None:
    rig.create(Strategy.COPY)
    rig.snapshot("a")
    rig.roots.drop(NODE, "a")
    rig.roots.retire(NODE)
    assert rig.reset().generation == "3"


def test_others_on_the_master_cannot_look_into_roots(rig: Rig) -> None:
    rig.create(Strategy.COPY)
    assert (rig.folder / "roots").stat().st_mode & 0o777 == 0o700  # programs in them are set to root
    rig.create(Strategy.EPHEMERAL, OTHER)
    assert (rig.folder / "private").stat().st_mode & 0o777 == 0o700  # host keys


def test_an_image_that_is_gone_is_told(rig: Rig) -> None:
    rig.create(Strategy.COPY)
    rig.images.remove(rig.image)
    with pytest.raises(NotFound, match="no image"):
        rig.reset()


@writable
@pytest.mark.parametrize("evil", ["folder is a link", "file is a folder", "folder is a file"])
def test_an_image_that_leads_away_becomes_no_root(rig_of: Rig, strategy: Strategy, evil: str) -> None:
    tree = rig_of.folder / "evil"
    (tree / "etc").mkdir(parents=True)
    match evil:
        case "folder is a link":
            (tree / "root").symlink_to(rig_of.folder)
        case "file is a folder":
            (tree / "etc/hosts").mkdir()
        case _:
            (tree / "root").write_text("x")
    image = rig_of.images.import_tree("evil", tree, "a test", Work())
    with pytest.raises(BadImage):
        rig_of.create(strategy, image=image)
    assert rig_of.roots.get(NODE) is None
    assert rig_of.there().get(NODE, []) == []
    assert rig_of.mounted() == []
    assert not (rig_of.folder / ".ssh").exists()
    assert rig_of.intact()


@writable
def test_the_files_of_a_node_do_not_change_the_folders_they_are_in(rig_of: Rig, strategy: Strategy) -> None:
    tree = rig_of.folder / "strict"
    (tree / "root/.ssh").mkdir(parents=True)
    (tree / "etc").mkdir(mode=0o751)
    os.chown(tree / "root/.ssh", 7, 8)
    (tree / "root/.ssh").chmod(0o500)
    (tree / "root/.ssh/known_hosts").write_text("x")
    image = rig_of.images.import_tree("strict", tree, "a test", Work())
    rig_of.create(strategy, image=image)
    status = (rig_of.root() / "root/.ssh").stat()
    assert (oct(status.st_mode), status.st_uid, status.st_gid) == ("0o40500", 7, 8)
    assert sorted(os.listdir(rig_of.root() / "root/.ssh")) == ["authorized_keys", "known_hosts"]
    assert rig_of.diff() == []


@writable
def test_many_nodes_at_once(rig_of: Rig, strategy: Strategy) -> None:
    nodes = [f"worker-1-{number}" for number in range(6)]

    def live(node: str) -> None:
        rig_of.create(strategy, node)
        (rig_of.root(node) / "state").write_text(node)
        rig_of.snapshot("mine", node)
        rig_of.reset(node)
        rig_of.roots.release(node)
        rig_of.roots.retire(node)
        rig_of.rollback("mine", node)

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(live, nodes))
    assert sorted(rig_of.roots.all()) == nodes
    assert [(rig_of.root(node) / "state").read_text() for node in nodes] == nodes
    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(rig_of.roots.remove, nodes))
    assert (rig_of.mounted(), rig_of.roots.in_use_images()) == ([], frozenset())
    assert rig_of.intact()
