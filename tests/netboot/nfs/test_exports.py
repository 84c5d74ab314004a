"""Ids of exports: unique, stable, and small enough for each server. And how exports are written down."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.config.types import Boot, Strategy
from graped.model import SlotId
from graped.netboot.nfs import exports_table, ganesha_conf
from graped.netboot.nfs.exports import Export, by_path, exports_of, image_fsid, root_fsid
from graped.netboot.plan import NetPlan, NodePlan
from graped.netboot.roots.view import Served

FOLDER = Path("/var/lib/grape/netboot")
SLOTS = [SlotId(stack, slot) for stack in range(16) for slot in range(6)]


def node(slot: SlotId, docker_bytes: int = 0) -> NodePlan:
    return NodePlan(
        slot=slot,
        name=slot.default_name,
        mac="02:00:00:00:00:01",
        address=IPv4Address("10.77.0.10") + slot.stack * 6 + slot.slot,
        model=None,
        serial=None,
        boot=Boot.NETWORK,
        image="bookworm",
        strategy=Strategy.AUTO,
        docker_bytes=docker_bytes,
    )


def plan(*nodes: NodePlan) -> NetPlan:
    return NetPlan(
        interface="eth1",
        master=IPv4Interface("10.77.0.1/24"),
        folder=FOLDER,
        domain="grape",
        dns=(),
        ntp=(),
        tftp_max=150,
        kernel_args="",
        config_txt=(),
        nodes=nodes,
    )


def root(name: str, generation: str) -> Served:
    return Served(path=FOLDER / "roots" / name / generation / "fs", read_only=False, generation=generation)


def ephemeral(name: str, version: str) -> list[Served]:
    return [
        Served(path=FOLDER / "images" / version / "root", read_only=True, generation="1"),
        Served(path=FOLDER / "private" / name, read_only=True, generation=""),
    ]


def test_a_node_gets_its_roots_and_its_volume_for_its_address_alone() -> None:
    one, two = node(SlotId(0, 0), docker_bytes=1), node(SlotId(0, 1))
    roots = {
        one.name: [root(one.name, "3"), root(one.name, "4")],
        two.name: [root(two.name, "1")],
        "gone": [root("gone", "1")],
    }
    found = exports_of(plan(one, two), roots)
    assert [str(export) for export in found] == [
        f"{FOLDER}/roots/worker-0-0/3/fs to 10.77.0.10",
        f"{FOLDER}/roots/worker-0-0/4/fs to 10.77.0.10",
        f"{FOLDER}/roots/worker-0-1/1/fs to 10.77.0.11",
        f"{FOLDER}/volumes/worker-0-0 to 10.77.0.10",
    ]
    assert len({export.fsid for export in found}) == 4


def test_ephemeral_nodes_share_an_image_read_only_and_have_private_files() -> None:
    one, two = node(SlotId(0, 0)), node(SlotId(0, 1))
    served = {one.name: ephemeral(one.name, "bookworm@3f9c2a4b5d6e") for one in (one, two)}
    found = exports_of(plan(one, two), served)
    assert [str(export) for export in found] == [
        f"{FOLDER}/images/bookworm@3f9c2a4b5d6e/root to 10.77.0.10 (read-only)",
        f"{FOLDER}/images/bookworm@3f9c2a4b5d6e/root to 10.77.0.11 (read-only)",
        f"{FOLDER}/private/worker-0-0 to 10.77.0.10 (read-only)",
        f"{FOLDER}/private/worker-0-1 to 10.77.0.11 (read-only)",
    ]
    assert len({export.fsid for export in found}) == 3


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_ids_are_unique_in_range_and_the_same_whoever_else_is_there(data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(SLOTS), max_size=10))
    nodes = [node(slot, docker_bytes=slot.slot % 2) for slot in sorted(chosen, key=SLOTS.index)]
    roots: dict[str, list[Served]] = {}
    for one in nodes:
        newest = data.draw(st.integers(1, 5000))
        in_memory = data.draw(st.booleans())
        many = [root(one.name, str(number)) for number in range(newest, newest + data.draw(st.integers(0, 3)))]
        roots[one.name] = ephemeral(one.name, "bookworm@3f9c2a4b5d6e") if in_memory else many
    all_of_them = exports_of(plan(*nodes), roots)
    folders = by_path(all_of_them)
    fsids = {path: group[0].fsid for path, group in folders.items()}
    assert all({export.fsid for export in group} == {fsids[path]} for path, group in folders.items())
    assert len(set(fsids.values())) == len(fsids)
    assert all(0 < fsid < 1 << 32 for fsid in fsids.values())
    ids = ganesha_conf.export_ids(fsids)
    assert len(set(ids.values())) == len(fsids)
    assert all(0 < number <= 65_535 for number in ids.values())
    some = data.draw(st.sets(st.sampled_from(sorted(chosen, key=SLOTS.index)))) if chosen else set()
    fewer = exports_of(plan(*(one for one in nodes if one.slot in some)), roots)
    assert set(fewer) <= set(all_of_them)
    few_ids = ganesha_conf.export_ids({export.path: export.fsid for export in fewer})
    assert few_ids.items() <= ids.items()


def test_a_full_rack_with_three_roots_each_has_room() -> None:
    nodes = [node(slot, docker_bytes=1) for slot in SLOTS]
    roots = {one.name: [root(one.name, str(number)) for number in (254, 255, 256)] for one in nodes}
    fsids = {export.path: export.fsid for export in exports_of(plan(*nodes), roots)}
    ids = ganesha_conf.export_ids(fsids)
    assert len(fsids) == len(set(fsids.values())) == len(set(ids.values())) == 96 * 4
    assert max(ids.values()) < ganesha_conf.FIRST_IMAGE


@given(st.lists(st.text("0123456789abcdef", min_size=12, max_size=12), min_size=1, max_size=60, unique=True))
def test_image_versions_get_ids_of_their_own_even_where_they_meet(digests: list[str]) -> None:
    fsids = {FOLDER / "images" / f"a@{digest}" / "root": image_fsid(f"a@{digest}") for digest in digests}
    ids = ganesha_conf.export_ids(fsids)
    assert len(set(ids.values())) == len(digests)


def test_ids_that_meet_move_on() -> None:
    first, second = Path("/a"), Path("/b")
    fsid = image_fsid("bookworm@3f9c2a4b5d6e")
    ids = ganesha_conf.export_ids({second: fsid, first: fsid})
    assert ids[second] == ids[first] + 1


def test_a_root_s_id_says_node_and_generation() -> None:
    assert root_fsid(node(SlotId(0, 0)), "1") == 0x1010_0001
    assert root_fsid(node(SlotId(15, 5)), "1048575") == 0x160F_FFFF


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1).map(
    lambda text: Path("/srv") / text
)


@given(PATHS, st.booleans())
def test_any_path_survives_the_exports_file(path: Path, read_only: bool) -> None:
    export = Export(path=path, client=IPv4Address("10.77.0.10"), fsid=7, read_only=read_only)
    text = exports_table.exports_file([export])
    assert text.startswith("# Written by graped")
    assert text.isascii()
    assert exports_table.parse_table(text) == {
        exports_table.entry(export): frozenset(exports_table.options(export)),
    }


def test_an_exports_file_line() -> None:
    export = Export(path=Path('/srv/a b#"c'), client=IPv4Address("10.77.0.10"), fsid=7)
    line = exports_table.exports_file([export]).splitlines()[1]
    assert line == r"/srv/a\040b\043\042c 10.77.0.10(rw,sync,no_subtree_check,no_root_squash,fsid=7)"


@given(PATHS)
def test_any_path_is_quoted_for_ganesha_or_refused(path: Path) -> None:
    export = Export(path=path, client=IPv4Address("10.77.0.10"), fsid=(1 << 28) | (1 << 20) | 1)
    if any(ord(char) < 32 for char in str(path)):
        with pytest.raises(ValueError, match="not a path"):
            ganesha_conf.exports_file([export])
        return
    text = ganesha_conf.exports_file([export])
    found = re.search(r'^    Path = "((?:[^"\\]|\\.)*)";$', text, re.MULTILINE)
    assert found is not None
    assert re.sub(r"\\(.)", r"\1", found[1]) == str(path)


def test_changes_are_told_in_words() -> None:
    one = Export(path=Path("/a"), client=IPv4Address("10.77.0.10"), fsid=(1 << 28) | (1 << 20) | 1)
    two = Export(path=Path("/b"), client=IPv4Address("10.77.0.11"), fsid=(1 << 28) | (2 << 20) | 1, read_only=True)
    before, after = ganesha_conf.exports_file([one]), ganesha_conf.exports_file([two])
    assert ganesha_conf.changes(before, before) == []
    assert ganesha_conf.changes(before, after) == [
        "no longer exports /a to 10.77.0.10",
        "exports /b to 10.77.0.11 (read-only)",
    ]
