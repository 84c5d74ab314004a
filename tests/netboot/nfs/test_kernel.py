"""The kernel server's export table: brought to what is wanted, entry by entry. A guest with nfsd shows the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.errors import ServerError
from graped.netboot.nfs.exports import Export
from graped.netboot.nfs.exports_table import options, parse_table
from graped.netboot.nfs.kernel import KernelNfs
from graped.runner import Runner, SubprocessRunner
from tests.netboot.nfs.fake_exportfs import FakeExportfs, FakeUnits

NOWHERE = IPv4Address("127.77.0.1")  # refuses at once: nothing listens there


@dataclass(slots=True)
class Bench:
    """A backend on a fake ``exportfs``, and folders to export."""

    folder: Path
    exportfs: FakeExportfs
    units: FakeUnits
    file: Path

    def backend(self, runner: Runner | None = None) -> KernelNfs:
        """A graped that was just started."""
        return KernelNfs(
            self.units, runner or self.exportfs, self.folder / "netboot", NOWHERE, units=True, exports_file=self.file
        )

    def export(self, number: int, *, read_only: bool = False) -> Export:
        path = self.folder / "netboot" / "roots" / f"node {number}" / "fs"
        path.mkdir(parents=True, exist_ok=True)
        client = IPv4Address("198.51.100.0") + number
        return Export(path=path, client=client, fsid=(1 << 28) | number, read_only=read_only)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, FakeExportfs(), FakeUnits(), tmp_path / "exports.d" / "grape.exports")


def test_exports_are_made_for_now_and_for_the_next_boot(bench: Bench) -> None:
    one, two = bench.export(1), bench.export(2, read_only=True)
    assert bench.backend().apply([one, two]) == [
        f"exports {one}",
        f"exports {two}",
        "started the kernel's NFS server",
        "started rpc.mountd",
    ]
    assert set(bench.exportfs.table) == {(str(one.path), str(one.client)), (str(two.path), str(two.client))}
    written = parse_table(bench.file.read_text())
    assert written == {
        (one.path, str(one.client)): frozenset(options(one)),
        (two.path, str(two.client)): frozenset(options(two)),
    }
    assert bench.units.active == {"nfs-server.service", "nfs-mountd.service"}


def test_a_second_time_changes_nothing(bench: Bench) -> None:
    exports = [bench.export(1), bench.export(2)]
    bench.backend().apply(exports)
    bench.exportfs.touched.clear()
    assert bench.backend().apply(exports) == []
    assert bench.exportfs.touched == []


def test_a_change_of_one_node_touches_no_other(bench: Bench) -> None:
    one, two, three = (bench.export(number) for number in (1, 2, 3))
    bench.backend().apply([one, two])
    bench.exportfs.touched.clear()
    changed = replace(two, read_only=True)
    assert bench.backend().apply([one, changed, three]) == [f"exports {changed}", f"exports {three}"]
    assert {client for _, client in bench.exportfs.touched} == {str(two.client), str(three.client)}
    assert "rw" not in bench.exportfs.table[str(two.path), str(two.client)]
    bench.exportfs.touched.clear()
    assert bench.backend().apply([one, three]) == [f"no longer exports {two.path} to {two.client}"]
    assert {client for _, client in bench.exportfs.touched} == {str(two.client)}


def test_what_others_export_is_not_touched(bench: Bench) -> None:
    bench.exportfs.table["/home", "198.51.100.0/24"] = ["rw"]
    bench.backend().apply([bench.export(1)])
    bench.backend().apply([])
    assert bench.exportfs.table == {("/home", "198.51.100.0/24"): ["rw"]}
    assert bench.file.read_text().count("\n") == 1


def test_a_folder_that_is_not_there_is_told_and_harms_no_other(bench: Bench) -> None:
    one, lost = bench.export(1), bench.export(2)
    shutil.rmtree(lost.path)
    with pytest.raises(ServerError, match="node 2/fs is to be exported but does not exist"):
        bench.backend().apply([one, lost])
    assert (str(one.path), str(one.client)) in bench.exportfs.table


def test_check_tells_what_somebody_else_has_changed(bench: Bench) -> None:
    one, two, three = (bench.export(number) for number in (1, 2, 3))
    bench.backend().apply([one, two])
    bench.exportfs.run(("exportfs", "-u", f"{one.client}:{one.path}"), timeout_s=1)
    bench.exportfs.run(("exportfs", "-o", "rw", f"{three.client}:{three.path}"), timeout_s=1)
    problems = bench.backend().check([one, two])
    assert (
        f"{one.path} is not exported to {one.client} with fsid={one.fsid},no_root_squash,no_subtree_check,rw,sync."
        in problems
    )
    assert f"{three.path} is exported to {three.client}, unasked." in problems
    assert not any(str(two.path) in problem for problem in problems)
    bench.backend().apply([one, two])
    assert not any("export" in problem for problem in bench.backend().check([one, two]))


def test_a_stop_takes_all_of_ours_back(bench: Bench) -> None:
    bench.exportfs.table["/home", "*"] = ["rw"]
    bench.backend().apply([bench.export(1)])
    bench.backend().stop()
    assert list(bench.exportfs.table) == [("/home", "*")]
    assert not bench.file.exists()


@settings(max_examples=50)
@given(steps=st.lists(st.dictionaries(st.integers(1, 5), st.booleans()), min_size=1, max_size=5))
def test_whatever_was_before_the_table_is_what_was_asked_for_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("kernel")
    bench = Bench(folder, FakeExportfs(), FakeUnits(), folder / "exports.d" / "grape.exports")
    for wanted in steps:
        exports = [bench.export(number, read_only=read_only) for number, read_only in wanted.items()]
        bench.backend().apply(exports)
        assert {entry: sorted(words) for entry, words in bench.exportfs.table.items()} == {
            (str(export.path), str(export.client)): sorted(options(export)) for export in exports
        }


REAL = [
    pytest.mark.lab,
    pytest.mark.xdist_group("exportfs"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: the export table"),
    pytest.mark.skipif(shutil.which("exportfs") is None, reason="needs exportfs"),
]


@pytest.fixture
def real(bench: Bench) -> Iterator[KernelNfs]:
    """The machine's own ``exportfs``: its table is a file, with or without nfsd in the kernel."""
    backend = bench.backend(SubprocessRunner())
    yield backend
    backend.stop()


@pytest.mark.parametrize("marked", [pytest.param(None, marks=REAL)])
def test_the_real_exportfs_takes_and_tells_what_we_write(bench: Bench, real: KernelNfs, marked: None) -> None:
    one, two = bench.export(1), bench.export(2, read_only=True)
    real.apply([one, two])
    assert not any("export" in problem for problem in real.check([one, two]))
    turned = replace(one, read_only=True)
    assert real.apply([turned]) == [f"no longer exports {two.path} to {two.client}", f"exports {turned}"]
    assert not any("export" in problem for problem in real.check([turned]))
    assert any("not exported" in problem for problem in real.check([one]))
    assert real.apply([turned]) == []
