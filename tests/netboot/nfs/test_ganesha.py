"""NFS-Ganesha for real: two overlay roots on one base and a copy, clients at three addresses, servers killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from graped.errors import ServerError
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.ganesha import Ganesha, spec
from graped.netboot.nfs.traffic import connections
from graped.netboot.roots.mounting import mount_overlay
from graped.netboot.roots.overlay import Overlay
from graped.netboot.servers import ProcessServers
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.netboot.nfs.room import SERVER, Client, Room, room

NEEDED = ("ganesha.nfsd", "rpcbind", "nfs-ls", "mount")
MISSING = [tool for tool in NEEDED if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.xdist_group("rpcbind"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: namespaces, mounts, servers"),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
BIG_BYTES = 48_000_000
VERSIONS = pytest.mark.parametrize("version", [3, 4])


@dataclass(slots=True)
class Lab:
    """The room, a folder with roots in it, and the server as graped runs it."""

    room: Room
    folder: Path
    digest: str

    @property
    def nodes(self) -> tuple[Client, ...]:
        return self.room.clients

    @property
    def exports(self) -> list[Export]:
        """Two overlays and a copy, each for its node."""
        return [self.export(number, name) for number, name in enumerate(("one", "two", "copy"))]

    def export(self, number: int, name: str, generation: int = 1) -> Export:
        fsid = (1 << 28) | (number + 1 << 20) | generation
        return Export(path=self.root(name), client=self.nodes[number].address, fsid=fsid)

    def root(self, name: str) -> Path:
        return self.folder / "roots" / name / "fs"

    def ganesha(self) -> Ganesha:
        """A graped that was just started: it knows nothing but what is on disk."""
        return Ganesha(ProcessServers(SubprocessRunner()), self.folder / "nfs", SERVER)

    def apply(self, exports: list[Export]) -> list[str]:
        return self.room.server.do(self.ganesha().apply, exports)

    def check(self, exports: list[Export]) -> list[str]:
        return self.room.server.do(self.ganesha().check, exports)

    def ensure(self) -> list[str]:
        return self.room.server.do(self.ganesha().ensure)

    def pid(self) -> int:
        pid = ProcessServers(SubprocessRunner()).running(spec(self.folder / "nfs"))
        assert pid is not None
        return pid

    def overlay(self, name: str, *, copy_of: str = "") -> None:
        """Make and mount a root as graped does."""
        home, way = self.root(name).parent, Overlay(SubprocessRunner())
        home.mkdir(parents=True)
        if copy_of:
            way.clone(self.root(copy_of).parent, home, Work())
        else:
            way.make(self.folder / "base", home, Work())
        mount_overlay(self.folder / "base", home, "test", SubprocessRunner())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("nfs")
    base = folder / "base"
    base.mkdir()
    big = os.urandom(BIG_BYTES)
    (base / "big").write_bytes(big)
    (base / "hello").write_text("from the base\n")
    with room() as built:
        lab = Lab(built, folder, hashlib.sha256(big).hexdigest())
        try:
            lab.overlay("one")
            lab.overlay("two")
            shutil.copytree(base, lab.root("copy"))
            yield lab
        finally:
            try:
                built.server.do(lab.ganesha().stop)
            finally:
                for root in (folder / "roots").glob("*/fs"):
                    if root.is_mount():
                        subprocess.run(["umount", str(root)], check=True, timeout=20)


@pytest.fixture(autouse=True)
def served(lab: Lab) -> None:
    """Each test begins with the three exports, served."""
    lab.apply(lab.exports)
    assert lab.check(lab.exports) == []


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@VERSIONS
def test_only_the_node_itself_may_mount_its_root(lab: Lab, version: int) -> None:
    for number, export in enumerate(lab.exports):
        for other, client in enumerate(lab.nodes):
            if number == other:
                assert "big" in client.ls(export.path, version)
            else:
                with pytest.raises(PermissionError):
                    client.ls(export.path, version)


@VERSIONS
def test_nodes_on_one_base_do_not_see_each_other(lab: Lab, version: int, tmp_path: Path) -> None:
    name = f"written{version}"
    for number, client in enumerate(lab.nodes):
        note = tmp_path / "note"
        note.write_text(f"of node {number}\n")
        client.put(note, lab.exports[number].path / name, version)
    for number, client in enumerate(lab.nodes):
        assert client.cat(lab.exports[number].path / name, version) == f"of node {number}\n"
        assert client.cat(lab.exports[number].path / "hello", version) == "from the base\n"
    assert sorted(file.name for file in (lab.folder / "base").iterdir()) == ["big", "hello"]


def test_one_folder_for_many_may_be_read_by_them_and_written_by_nobody(lab: Lab, tmp_path: Path) -> None:
    shared = [
        Export(path=lab.folder / "base", client=client.address, fsid=(4 << 28) | 77, read_only=True)
        for client in lab.nodes[:2]
    ]
    lab.apply([*lab.exports, *shared])
    (tmp_path / "note").write_text("x")
    for client in lab.nodes[:2]:
        assert "big" in client.ls(lab.folder / "base")
        with pytest.raises(PermissionError, match="ROFS"):
            client.put(tmp_path / "note", lab.folder / "base" / "note")
    with pytest.raises(PermissionError):
        lab.nodes[2].ls(lab.folder / "base")


def test_exports_come_and_go_while_another_node_reads(lab: Lab) -> None:
    pid = lab.pid()
    lab.overlay("more")
    more = lab.export(1, "more", generation=2)
    with lab.nodes[0].reading(lab.exports[0].path / "big") as reading:
        for _ in range(3):
            assert lab.apply([*lab.exports, more]) == [f"exports {more}"]
            assert "big" in lab.nodes[1].ls(more.path)
            assert "big" in lab.nodes[1].ls(lab.exports[1].path)  # the older generation is still served
            assert lab.apply(lab.exports) == [f"no longer exports {more}"]
            with pytest.raises(PermissionError):
                lab.nodes[1].ls(more.path)
        subprocess.run(["umount", str(more.path)], check=True, timeout=20)  # nothing holds it any more
        assert reading.bytes < BIG_BYTES
        assert reading.join() == lab.digest
        assert reading.longest_gap_s < 10.0
    assert lab.pid() == pid


def test_a_killed_server_is_healed_and_its_clients_go_on_with_the_handles_they_have(lab: Lab) -> None:
    pid = lab.pid()
    with lab.nodes[0].reading(lab.exports[0].path / "big") as reading:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: any("does not run" in problem for problem in lab.check(lab.exports)))
        assert lab.ensure() == ["started NFS-Ganesha again"]
        assert reading.bytes < BIG_BYTES
        assert reading.join() == lab.digest
        assert reading.longest_gap_s < 10.0
    assert lab.ensure() == []
    assert lab.pid() != pid
    assert lab.check(lab.exports) == []
    assert "big" in lab.nodes[1].ls(lab.exports[1].path, 4)


def test_a_server_that_hangs_is_told_until_it_goes_on(lab: Lab) -> None:
    lab.apply(lab.exports)
    pid = lab.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ServerError, match="does not answer"):
            lab.ensure()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert lab.ensure() == []
    assert lab.pid() == pid


def test_handles_are_the_same_after_a_restart_whatever_else_is_exported(lab: Lab) -> None:
    before = [client.handle(export.path) for client, export in zip(lab.nodes, lab.exports, strict=True)]
    assert len(set(before)) == 3  # the overlays' own parts of them are equal
    lab.overlay("other")
    lab.apply([lab.export(0, "other", generation=7), *lab.exports])
    os.kill(lab.pid(), signal.SIGKILL)
    wait_for(lambda: any("does not run" in problem for problem in lab.check(lab.exports)))
    lab.ensure()
    assert [client.handle(export.path) for client, export in zip(lab.nodes, lab.exports, strict=True)] == before


def test_a_killed_port_mapper_is_healed_without_a_restart_of_the_server(lab: Lab) -> None:
    pid = lab.pid()
    os.kill(int((lab.folder / "nfs" / "rpcbind.json").read_text().split('"pid": ')[1].split(",")[0]), signal.SIGKILL)
    wait_for(lambda: any("No port mapper" in problem for problem in lab.check(lab.exports)))
    lab.ensure()
    assert lab.check(lab.exports) == []
    assert "big" in lab.nodes[0].ls(lab.exports[0].path)
    assert lab.pid() == pid


def test_a_graped_that_was_restarted_finds_all_as_it_left_it(lab: Lab) -> None:
    pid = lab.pid()
    assert lab.apply(lab.exports) == []
    assert lab.ensure() == []
    assert lab.pid() == pid


def test_a_changed_core_restarts_it_and_a_reader_only_pauses(lab: Lab) -> None:
    pid = lab.pid()
    config = lab.folder / "nfs" / "ganesha.conf"
    with lab.nodes[2].reading(lab.exports[2].path / "big") as reading:
        config.write_text(config.read_text().replace("Graceless = true", "Graceless = false"))
        assert lab.apply(lab.exports) == ["started NFS-Ganesha"]
        assert reading.join() == lab.digest
    assert lab.pid() != pid


def test_a_node_that_moves_to_another_address_takes_its_root_along(lab: Lab) -> None:
    moved = replace(lab.exports[0], client=lab.nodes[1].address)
    lab.apply([moved])
    assert "big" in lab.nodes[1].ls(moved.path)
    with pytest.raises(PermissionError):
        lab.nodes[0].ls(moved.path)


def test_a_folder_that_is_not_there_is_told_and_harms_no_other(lab: Lab) -> None:
    lost = lab.export(1, "lost", generation=9)
    with pytest.raises(ServerError, match=f"refuses an export: .*{lost.path}"):
        lab.apply([*lab.exports, lost])
    assert "big" in lab.nodes[0].ls(lab.exports[0].path)
    assert lab.check([*lab.exports, lost]) == [f"{lost.path} is to be exported but does not exist."]


def test_what_was_refused_is_read_again_until_its_cause_is_gone(lab: Lab) -> None:
    late = lab.export(1, "late", generation=8)
    ganesha, do = lab.ganesha(), lab.room.server.do
    do(ganesha.apply, lab.exports)
    for _ in range(2):
        with pytest.raises(ServerError, match="refuses an export"):
            do(ganesha.apply, [*lab.exports[:2], late])
    do(ganesha.apply, lab.exports)  # the list of before is read again, too
    assert "big" in lab.nodes[2].ls(lab.exports[2].path)
    lab.root("late").mkdir(parents=True)
    do(ganesha.apply, [*lab.exports, late])
    assert lab.nodes[1].ls(late.path) == []


def test_a_server_that_refuses_an_export_when_it_starts_again_heals(lab: Lab) -> None:
    last = lab.export(1, "last", generation=6)
    lab.root("last").mkdir(parents=True)
    ganesha, do = lab.ganesha(), lab.room.server.do
    do(ganesha.apply, [*lab.exports, last])
    lab.root("last").rmdir()
    os.kill(lab.pid(), signal.SIGKILL)
    wait_for(lambda: any("does not run" in problem for problem in lab.check(lab.exports)))
    with pytest.raises(ServerError, match="refuses an export"):
        do(ganesha.ensure)
    assert "big" in lab.nodes[0].ls(lab.exports[0].path)  # the others are served
    lab.root("last").mkdir()
    do(ganesha.apply, [*lab.exports, last])
    assert lab.nodes[1].ls(last.path) == []


@VERSIONS
def test_a_copy_of_a_root_is_served_beside_it_and_after_it(lab: Lab, version: int, tmp_path: Path) -> None:
    first, second, third = (f"{name}{version}" for name in ("first", "snapshot", "rollback"))
    (tmp_path / "note").write_text("kept\n")
    lab.overlay(first)
    lab.apply([*lab.exports, old := lab.export(1, first, generation=11)])
    lab.nodes[1].put(tmp_path / "note", old.path / "note", version)
    lab.overlay(second, copy_of=first)
    lab.overlay(third, copy_of=second)
    subprocess.run(["umount", str(lab.root(second))], check=True, timeout=20)
    new = lab.export(1, third, generation=13)
    for exports in ([old, new], [new], [old], [new]):  # also one instead of the other, in one go
        lab.apply([*lab.exports, *exports])
        for export in exports:
            assert lab.nodes[1].cat(export.path / "note", version) == "kept\n"
    lab.apply([*lab.exports, old])
    subprocess.run(["umount", str(new.path)], check=True, timeout=20)


def test_a_node_that_uses_its_root_is_seen_in_the_traffic(lab: Lab) -> None:
    def seen() -> bool:
        return any(one.address == lab.nodes[0].address for one in lab.room.server.do(connections))

    assert not seen()
    with lab.nodes[0].reading(lab.exports[0].path / "big"):
        assert seen()
    wait_for(lambda: not seen())
