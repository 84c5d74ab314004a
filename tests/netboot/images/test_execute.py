"""Versions made by commands, by hand, and of what became of a node."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.config.types import Prepare
from graped.errors import Cancelled, CommandFailed, InUse, NotFound, RequestError
from graped.netboot.blocks import with_block
from graped.netboot.images.commit import commit
from graped.netboot.images.diff import diff_trees
from graped.netboot.images.execute import execute
from graped.netboot.images.prepare import outstanding, prepare
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.images.workspaces import Workspaces
from graped.netboot.roots.identity import Identity, personalise
from graped.work import Work
from tests.netboot.images.tiny import ROOT_ONLY, processes_in, raspberry_root, tiny_root, write

pytestmark = [pytest.mark.lab, ROOT_ONLY]


@pytest.fixture
def image(store: ImageStore, tmp_path: Path) -> ImageRecord:
    return store.import_tree("tiny", tiny_root(tmp_path / "tree"), "a test", Work())


@pytest.fixture
def prepared(store: ImageStore, tmp_path: Path) -> ImageRecord:
    image = store.import_tree("pi", raspberry_root(tmp_path / "pi"), "a test", Work())
    return prepare(store, image, Prepare(), Work())


@pytest.fixture
def spaces(store: ImageStore) -> Iterator[Workspaces]:
    spaces = Workspaces(store.folder.parent / "workspaces", store)
    yield spaces
    assert processes_in(store.folder.parent) == []


def clean(store: ImageStore) -> bool:
    return not list(store.folder.glob(".partial-*"))


def test_a_command_makes_a_version(store: ImageStore, image: ImageRecord) -> None:
    lines: list[str] = []
    made = execute(store, image, ("sh", "-c", "echo hi; echo x > /etc/new"), "", Work(), lines.append)
    assert lines == ["hi"]
    assert (made.name, made.parent) == ("tiny", image.ref)
    assert made.source == f"run in {image.ref}: sh -c 'echo hi; echo x > /etc/new'"
    changes = diff_trees(store.root(image), store.root(made), Work())
    assert [(change.kind, change.path) for change in changes] == [("added", "etc/new")], "and nothing of ours"
    assert store.verify(image, Work()) == ()


def test_another_name_and_a_bad_one(store: ImageStore, image: ImageRecord) -> None:
    assert execute(store, image, ("touch", "/x"), "other", Work()).ref == store.find("other").ref
    with pytest.raises(RequestError):
        execute(store, image, ("touch", "/x"), "../x", Work())


def test_a_command_that_changes_nothing_makes_nothing(store: ImageStore, image: ImageRecord) -> None:
    assert execute(store, image, ("true",), "", Work()) == image
    assert store.all() == (image,)
    assert clean(store)


def test_a_command_that_fails_makes_nothing(store: ImageStore, image: ImageRecord) -> None:
    with pytest.raises(CommandFailed, match="broken"):
        execute(store, image, ("sh", "-c", "echo broken; touch /x; false"), "", Work())
    assert store.all() == (image,)
    assert clean(store)


def test_a_cancelled_command_makes_nothing(store: ImageStore, image: ImageRecord) -> None:
    work = Work()
    with pytest.raises(Cancelled):
        execute(store, image, ("sh", "-c", "echo go; sleep 1000"), "", work, lambda _: work.cancel())
    assert store.all() == (image,)
    assert clean(store)
    assert processes_in(store.folder) == []


def test_a_prepared_image_stays_prepared_whatever_is_installed(store: ImageStore, prepared: ImageRecord) -> None:
    made = execute(store, prepared, ("sh", "-c", "echo key > /etc/ssh/ssh_host_rsa_key; touch /x"), "", Work())
    assert made.prepared
    assert not (store.root(made) / "etc/ssh/ssh_host_rsa_key").exists()
    assert outstanding(store.root(made), Prepare()) == ()


def test_a_node_becomes_an_image_without_what_made_it_that_node(
    store: ImageStore, prepared: ImageRecord, tmp_path: Path
) -> None:
    node = tmp_path / "node"
    subprocess.run(["cp", "-a", store.root(prepared), node], check=True)
    write(node, "etc/hostname", "worker-0-1\n")
    write(node, "etc/machine-id", "1" * 32 + "\n", 0o444)
    write(node, "etc/ssh/ssh_host_ed25519_key", "secret\n", 0o600)
    write(node, "etc/hosts", with_block("127.0.0.1\tlocalhost\n", ["127.0.1.1\tworker-0-1"]))
    write(node, "root/.ssh/authorized_keys", with_block("ssh-rsa AAAA mine\n", ["ssh-ed25519 AAAA grape"]))
    write(node, "etc/fstab", with_block((node / "etc/fstab").read_text(), ["10.0.0.1:/v /srv/grape/volume nfs"]))
    write(node, "opt/work", "of a week\n")
    os.mknod(node / "opt/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    volume = node / "var/lib/docker"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", volume], check=True)
    try:
        (volume / "layers").write_text("not part of it")
        made = commit(store, prepared, node, "worked", Work())
    finally:
        subprocess.run(["umount", volume], check=True)
    changes = {change.path for change in diff_trees(store.root(prepared), store.root(made), Work())}
    assert changes == {"opt", "opt/device", "opt/work", "root/.ssh", "root/.ssh/authorized_keys"}
    root = store.root(made)
    assert (root / "etc/hostname").read_text() == "tiny\n"
    assert (root / "etc/hosts").read_text() == "127.0.0.1\tlocalhost\n"
    assert (root / "root/.ssh/authorized_keys").read_text() == "ssh-rsa AAAA mine\n"
    assert (made.name, made.parent, made.prepared) == ("worked", prepared.ref, True)
    assert outstanding(root, Prepare()) == ()
    assert store.verify(prepared, Work()) == ()


def test_what_a_node_was_given_is_exactly_what_is_taken_out(
    store: ImageStore, prepared: ImageRecord, tmp_path: Path
) -> None:
    """A node that changed nothing commits to the very version that it began as."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "ssh_host_ed25519_key").write_text("secret")
    (keys / "ssh_host_ed25519_key.pub").write_text("public")
    identity = Identity(
        hostname="worker-0-1",
        domain="grape",
        machine_id="1" * 32,
        master=IPv4Address("10.77.0.1"),
        host_keys=keys,
        authorized_keys=("ssh-ed25519 AAAA grape",),
        fstab=("10.77.0.1:/v /srv/grape/volume nfs vers=3 0 0",),
        ntp=("10.77.0.1",),
    )
    node = tmp_path / "node"
    subprocess.run(["cp", "-a", store.root(prepared), node], check=True)
    personalise(node, identity)
    assert diff_trees(store.root(prepared), node, Work())
    assert commit(store, prepared, node, "", Work()) == prepared


def test_a_workspace_becomes_a_version(store: ImageStore, image: ImageRecord, spaces: Workspaces) -> None:
    space = spaces.open(image, Work())
    assert spaces.all() == (space,)
    assert space.image == image.ref
    assert space.path.parent.stat().st_mode & 0o777 == 0o700
    done = subprocess.run(
        spaces.shell(space), input="echo by hand > /etc/hand\nexit\n", text=True, capture_output=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    made = spaces.commit(space.id, "", Work())
    changes = diff_trees(store.root(image), store.root(made), Work())
    assert {change.path for change in changes} >= {"etc/hand"}
    assert (made.name, made.parent) == ("tiny", image.ref)
    assert store.verify(made, Work()) == ()
    assert sorted(path.name for path in store.root(made).parent.iterdir()) == ["image.json", "manifest", "root"]
    assert spaces.all() == ()
    assert list((store.folder.parent / "workspaces").iterdir()) == []


def test_a_workspace_survives_a_restart(store: ImageStore, image: ImageRecord, spaces: Workspaces) -> None:
    space = spaces.open(image, Work())
    folder = store.folder.parent / "workspaces"
    (folder / ".partial-12ab/root").mkdir(parents=True)
    (folder / "lost.json").write_text("{}")
    again = Workspaces(folder, store)
    assert again.recover() == (".partial-12ab", "lost.json")
    assert again.all() == (space,)
    assert again.recover() == ()
    again.drop(space.id)
    assert list(folder.iterdir()) == []
    with pytest.raises(NotFound):
        again.drop(space.id)


def test_a_workspace_is_not_pulled_away_under_a_shell(
    store: ImageStore, image: ImageRecord, spaces: Workspaces
) -> None:
    space = spaces.open(image, Work())
    with subprocess.Popen(spaces.shell(space), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("echo here\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "here\n"
        for forbidden in (lambda: spaces.drop(space.id), lambda: spaces.commit(space.id, "", Work())):
            with pytest.raises(InUse, match="somebody is in"):
                forbidden()
        shell.stdin.close()
        assert shell.wait(30) == 0
    spaces.drop(space.id)
    assert spaces.all() == ()


def test_a_cancelled_commit_keeps_the_workspace(store: ImageStore, image: ImageRecord, spaces: Workspaces) -> None:
    space = spaces.open(image, Work())
    (space.path / "etc/hand").write_text("work of a day")
    work = Work(lambda progress: work.cancel() if progress.phase == "digest" else None)
    with pytest.raises(Cancelled):
        spaces.commit(space.id, "", work)
    assert spaces.all() == (space,)
    assert spaces.recover() == ()
    made = spaces.commit(space.id, "", Work())
    assert (store.root(made) / "etc/hand").read_text() == "work of a day"


def test_a_cancelled_copy_leaves_no_workspace(image: ImageRecord, spaces: Workspaces, store: ImageStore) -> None:
    work = Work()
    work.cancel()
    with pytest.raises(Cancelled):
        spaces.open(image, work)
    assert list((store.folder.parent / "workspaces").iterdir()) == []


def test_a_workspace_outlives_its_image(store: ImageStore, image: ImageRecord, spaces: Workspaces) -> None:
    space = spaces.open(image, Work())
    store.remove(image)
    made = spaces.commit(space.id, "kept", Work())
    assert store.all() == (made,)
