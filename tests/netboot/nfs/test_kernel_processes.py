"""The kernel server without systemd: rpcbind and rpc.mountd are real, only the kernel's part is not."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.kernel import KernelNfs, mountd_spec
from graped.netboot.servers import ProcessServers
from graped.runner import SubprocessRunner
from tests.netboot.nfs.fake_exportfs import FakeNfsd
from tests.netboot.nfs.room import CLIENTS, SERVER, Room, room

MISSING = [tool for tool in ("rpcbind", "rpc.mountd") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.xdist_group("rpcbind"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: namespaces, servers"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
NO_NFSD = f"NFS does not answer on {SERVER} port 2049."


@dataclass(slots=True)
class Bench:
    """A backend in a room, on a machine whose kernel is made up."""

    room: Room
    backend: KernelNfs
    folder: Path
    exports: list[Export]

    def mountd(self) -> int | None:
        return ProcessServers(SubprocessRunner()).running(mountd_spec(self.folder / "nfs"))

    def threads(self) -> str:
        return (self.folder / "nfsd" / "threads").read_text().strip()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with room() as built:
        servers = ProcessServers(SubprocessRunner())
        nfsd, file = tmp_path / "nfsd", tmp_path / "exports.d" / "grape.exports"
        backend = KernelNfs(
            servers, FakeNfsd(nfsd), tmp_path, SERVER, units=False, exports_file=file, nfsd=nfsd
        )  # fmt: skip
        (tmp_path / "fs").mkdir()
        yield Bench(built, backend, tmp_path, [Export(path=tmp_path / "fs", client=CLIENTS[0], fsid=7)])
        built.server.do(backend.stop)
        assert servers.running(mountd_spec(tmp_path / "nfs")) is None


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_all_parts_are_started_once_and_found_by_the_port_mapper(bench: Bench) -> None:
    do = bench.room.server.do
    assert do(bench.backend.apply, bench.exports) == [
        f"exports {bench.exports[0]}",
        "started rpcbind",
        "started rpc.mountd",
        "started the kernel's NFS server",
    ]
    assert bench.threads() == "8"
    wait_for(lambda: do(bench.backend.check, bench.exports) == [NO_NFSD])
    assert do(bench.backend.ensure) == []


def test_a_killed_mountd_and_lost_threads_are_healed(bench: Bench) -> None:
    do = bench.room.server.do
    do(bench.backend.apply, bench.exports)
    pid = bench.mountd()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: bench.mountd() is None)
    (bench.folder / "nfsd" / "threads").write_text("0\n")
    assert f"MOUNT does not answer on {SERVER} port 20048." in do(bench.backend.check, bench.exports)
    assert do(bench.backend.ensure) == ["started rpc.mountd", "started the kernel's NFS server"]
    assert bench.threads() == "8"
    wait_for(lambda: do(bench.backend.check, bench.exports) == [NO_NFSD])


def test_a_stop_ends_the_threads(bench: Bench) -> None:
    bench.room.server.do(bench.backend.apply, bench.exports)
    bench.room.server.do(bench.backend.stop)
    assert bench.threads() == "0"
