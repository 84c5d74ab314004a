"""Images through a real graped and its real store: from a folder to a version and away, over stops and kills."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped.api.client import Client
from graped.store.store import JOB_WITHIN_S
from tests.live.daemon import Daemon
from tests.netboot.images.tiny import tiny_root

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: an image has owners and devices"),
]

HEAD = b"POST /v1/images?name=cut HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "state" / "netboot" / "images").mkdir(parents=True)  # something is stored: images can be worked on
    running = Daemon(tmp_path)
    running.extra = ("--sim-netboot",)
    with running:
        yield running


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "etc" / "hostname").write_text("grape\n")
    (root / "etc" / "shadow").write_text("root:*::\n")
    (root / "etc" / "shadow").chmod(0o640)
    os.chown(root / "etc" / "shadow", 0, 42)
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    (root / "bin" / "sh").symlink_to("busybox")
    with (root / "hole").open("wb") as hole:
        hole.truncate(200_000_000)
    return root


def test_from_a_folder_to_a_version_and_away(daemon: Daemon, tree: Path) -> None:
    def cli(*words: str) -> str:
        done = daemon.cli(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    first = cli("image", "import", str(tree), "--name", "tiny")
    assert first.startswith("tiny@")
    stored = daemon.state / "netboot" / "images" / first / "root"
    status = (stored / "etc" / "shadow").stat()
    assert (status.st_gid, status.st_mode & 0o7777) == (42, 0o640)
    assert (stored / "null").stat().st_rdev == os.makedev(1, 3)
    assert (stored / "hole").stat().st_blocks < 100  # still sparse
    assert cli("image", "import", str(tree), "--name", "tiny") == first  # the same content is the same version
    (tree / "etc" / "hostname").write_text("other\n")
    second = cli("image", "import", str(tree), "--name", "tiny")
    assert second != first
    assert cli("image", "diff", first, second) == "~ etc/hostname"
    assert "intact" in cli("image", "verify", first)
    (stored / "etc" / "hostname").write_text("changed\n")
    broken = daemon.cli("image", "verify", first)
    assert broken.returncode == 1
    assert "failed: " + first + " is not what it was: changed etc/hostname" in broken.stderr
    job = json.loads(daemon.cli("image", "verify", first, "--json").stdout)
    assert (job["outcome"], job["code"]) == ("failed", "damaged")
    assert cli("image", "rm", first, "--yes") == f"removed {first}"
    assert [one["ref"] for one in json.loads(cli("image", "list", "--json"))] == [second]
    kinds = [event["kind"] for event in daemon.client().get("/v1/events", kind="image")]
    assert kinds.count("image.import.done") == 3
    assert kinds[-1] == "image.verify.failed"


def test_what_is_no_image_is_told_and_leaves_nothing(daemon: Daemon, tmp_path: Path) -> None:
    bad = tmp_path / "bad.img"
    bad.write_bytes(os.urandom(3_000_000))
    done = daemon.cli("image", "import", str(bad), "--json")
    assert done.returncode == 1
    job = json.loads(done.stdout)
    assert (job["outcome"], job["code"]) == ("failed", "bad_image")
    assert list((daemon.state / "netboot" / "images").iterdir()) == []


def _half_an_upload(daemon: Daemon, client: Client) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(daemon.socket))
    big = tarfile.TarInfo("etc/big")
    big.size = 99_000_000
    connection.sendall(HEAD + big.tobuf() + b"\0" * 5_000_000)
    deadline = time.monotonic() + 30
    while not client.get("/v1/jobs", open=True):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(JOB_WITHIN_S + 0.5)  # then it is on the disk, too
    return connection


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_import_that_a_stop_cuts_is_interrupted_and_leaves_nothing(daemon: Daemon, how: signal.Signals) -> None:
    with daemon.client() as client:
        connection = _half_an_upload(daemon, client)
    began = time.monotonic()
    daemon.stop(how)
    assert time.monotonic() - began < 12
    connection.close()
    daemon.start()
    (job,) = daemon.client().get("/v1/jobs")
    assert (job["kind"], job["subject"], job["outcome"]) == ("image.import", "cut", "interrupted")
    deadline = time.monotonic() + 30
    while left := list((daemon.state / "netboot" / "images").iterdir()):  # removed while graped serves already
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert daemon.client().get("/v1/images") == []


def test_what_a_command_in_an_image_writes_is_seen_while_it_runs(daemon: Daemon, tmp_path: Path) -> None:
    assert daemon.cli("image", "import", str(tiny_root(tmp_path / "tiny")), "--name", "tiny").returncode == 0
    script = "echo begun; while ! [ -e /go ]; do sleep 0.1; done; echo seen > /etc/new; printf 'a\\377b\\n'"
    argv = [
        sys.executable,
        "-m",
        "grapecli",
        "--socket",
        str(daemon.socket),
        "image",
        "exec",
        "tiny",
        "sh",
        "-c",
        script,
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        (draft,) = (daemon.state / "netboot" / "images").glob(".partial-*")
        (draft / "root" / "go").touch()
        rest, _ = process.communicate(timeout=30)
    line, ref = rest.splitlines()
    assert line == "a\ufffdb"
    assert process.returncode == 0
    assert (daemon.state / "netboot" / "images" / ref / "root" / "etc" / "new").read_text() == "seen\n"
