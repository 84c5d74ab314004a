"""What a node has changed: told from the upper layer alone, and the same as by comparing everything."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graped.config.types import Strategy
from graped.netboot.images.diff import diff_trees
from graped.netboot.roots.changes import diff_overlay
from graped.netboot.roots.mounting import mount_overlay
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.netboot.roots.rig import CHANGES, NODE, Rig, change_much, told

NAMES = ("a", "b", "d", "d/a", "d/e", "d/e/f", "x", "x/a", "l")
ACTS = ("write", "same", "remove", "mkdir", "move", "chmod", "link", "symlink", "fifo", "xattr", "chown")
acts = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12)


def do(root: Path, act: str, name: str, other: str) -> None:
    path = root / name
    plain = not path.is_symlink() and not path.is_fifo()  # a pipe would wait for its reader
    match act:
        case "write" if plain:
            path.write_text(f"by {other}")
        case "same" if plain:
            path.write_bytes(path.read_bytes())  # copied up, and nothing is different
        case "remove":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        case "mkdir":
            path.mkdir()
        case "move":
            path.rename(root / other)
        case "chmod" if plain:
            path.chmod(0o700)
        case "symlink":
            path.symlink_to(other)
        case "fifo":
            os.mkfifo(path)
        case "xattr" if plain:
            os.setxattr(path, "user.x", other.encode())
        case "chown":
            os.lchown(path, 7, 8)


@pytest.fixture
def mount(disk: Callable[[str], Path]) -> Callable[[], tuple[Path, Path, Path]]:
    """Mount a fresh overlay over a small tree; return lower, upper, merged."""
    place, runner = disk("ext4"), SubprocessRunner()

    def fresh() -> tuple[Path, Path, Path]:
        home = Path(tempfile.mkdtemp(dir=place))
        lower, upper, merged = (home / name for name in ("lower", "upper", "fs"))
        for folder in (upper, merged, home / "work", lower / "d" / "e", lower / "x"):
            folder.mkdir(parents=True)
        for name in ("a", "d/a", "d/e/f", "x/a", "x/hidden"):
            (lower / name).write_text(f"image {name}")
        (lower / "l").symlink_to("a")
        mount_overlay(lower, home, "test", runner)
        return lower, upper, merged

    return fresh


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=acts)
def test_from_the_upper_layer_alone_as_from_everything(
    mount: Callable[[], tuple[Path, Path, Path]], acts: list[tuple[str, str, str]]
) -> None:
    lower, upper, merged = mount()
    for act, name, other in acts:
        with suppress(OSError):  # not everything can be done at any time
            do(merged, act, name, other)
    assert diff_overlay(lower, upper, merged, Work()) == diff_trees(lower, merged, Work())
    SubprocessRunner().run(("umount", str(merged)), timeout_s=10.0)


def test_a_changed_file_of_grape_is_the_nodes_doing(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    root = rig.root()
    (root / "etc/hostname").write_text("mine\n")
    (root / "root/.ssh/authorized_keys").chmod(0o644)
    (root / "etc/machine-id").unlink()
    (root / "etc/fstab").unlink()
    (root / "etc/fstab").mkdir()
    os.chown(root / "etc/systemd/timesyncd.conf.d/grape.conf", 7, 7)
    (root / "root/.ssh/known_hosts").write_text("x")
    assert rig.diff() == [
        ("added", "etc/fstab", ""),
        ("added", "etc/hostname", ""),
        ("added", "etc/systemd/timesyncd.conf.d/grape.conf", ""),
        ("added", "root/.ssh/authorized_keys", ""),
        ("added", "root/.ssh/known_hosts", ""),
    ]


def test_what_is_written_as_it_was_is_no_change(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    for name in ("etc/hostname", "etc/issue", "var/log/old"):
        (rig.root() / name).write_bytes((rig.root() / name).read_bytes())
    assert rig.diff() == []


def test_a_node_that_leads_away_is_not_followed(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    (rig.folder / "secret").write_text("secret")
    shutil.rmtree(rig.root() / "etc")
    (rig.root() / "etc").symlink_to(rig.folder)
    kinds = {(kind, path) for kind, path, _ in rig.diff()}
    assert ("changed", "etc") in kinds
    assert ("removed", "etc/issue") in kinds
    assert not any("secret" in path for _, path in kinds)


def test_a_root_that_is_not_mounted_is_mounted_to_be_looked_at(rig: Rig) -> None:
    rig.create(Strategy.OVERLAY)
    change_much(rig.root())
    rig.unmount_all()
    assert told(rig.diff()) == CHANGES
    assert rig.mounted() == [f"{NODE}/1/fs"]
