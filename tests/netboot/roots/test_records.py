"""Records of roots, and how they go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.config.types import Strategy
from graped.errors import Conflict, NotFound, RequestError
from graped.netboot.roots import history
from graped.netboot.roots.records import (
    PROBE,
    RECORD,
    BadRecord,
    Layout,
    Making,
    Origin,
    RootRecord,
    read_making,
    read_record,
    write_making,
    write_record,
)

RECORD_1 = RootRecord(
    node="worker-0-0", image="base@0123456789ab", strategy=Strategy.OVERLAY, generation="1", made=5.0, next=2
)


def grown(record: RootRecord, acts: list[str]) -> RootRecord:
    """Let a node live: each act is what Roots does to its record."""
    for number, act in enumerate(acts):
        now, new = float(number), str(record.next)
        fresh = replace(record, generation=new, next=record.next + 1, kept=(), serving=())
        match act:
            case "set" | "reset":
                record = history.successor(record, fresh, Origin(act), now)
            case "snapshot":
                record = history.with_snapshot(record, new, f"s{number}", now)
            case "rollback" if record.kept:
                kept = history.find_kept(record, None)
                if kept.by is not Origin.SNAPSHOT:
                    fresh = replace(fresh, generation=kept.generation, next=record.next)
                record = history.successor(record, fresh, Origin.ROLLBACK, now)
            case "release":
                record = replace(record, serving=())
            case "retire":
                record = history.pruned(record)
    return record


@given(st.lists(st.sampled_from(["set", "reset", "snapshot", "rollback", "release", "retire"]), max_size=30))
def test_a_record_stays_sound_whatever_is_done(acts: list[str]) -> None:
    record = grown(RECORD_1, acts)
    kept = [one.generation for one in record.kept]
    assert len(set(kept)) == len(kept)
    assert len({one.label for one in record.kept}) == len(kept)
    assert record.generation not in kept
    assert record.generation not in record.serving
    assert len(set(record.serving)) == len(record.serving)
    assert all(int(one) < record.next for one in record.generations)
    snapshots = [one for one in record.kept if one.by is Origin.SNAPSHOT]
    assert len(snapshots) == acts.count("snapshot")  # what somebody asked for is never let go
    pruned = history.pruned(record)
    assert len(pruned.kept) - len(snapshots) <= history.AUTOMATIC_KEPT
    assert pruned.kept[len(pruned.kept) - 1 :] == record.kept[len(record.kept) - 1 :]  # the newest stays


@settings(deadline=None)  # everything is synced to the disk
@given(st.lists(st.sampled_from(["set", "snapshot", "rollback"]), max_size=6))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, acts: list[str]) -> None:
    layout = Layout(tmp_path_factory.mktemp("folder"))
    record = grown(RECORD_1, acts)
    layout.node(record.node).mkdir(parents=True)
    write_record(layout, record)
    assert read_record(layout, record.node) == record
    making = Making(image=record.image, strategy=Strategy.COPY, lower="images/x/root", personal={"etc": ""})
    layout.generation(record.node, "7").mkdir()
    write_making(layout, record.node, "7", making)
    assert read_making(layout, record.node, "7") == making


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"": "", "node": 1}', "\x00", '{"": ""}', "null"])
def test_a_damaged_record_is_told_apart_from_none(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    assert read_record(layout, "worker-0-0") is None
    layout.node("worker-0-0").mkdir(parents=True)
    (layout.node("worker-0-0") / RECORD).write_text(content)
    with pytest.raises(BadRecord):
        read_record(layout, "worker-0-0")


@pytest.mark.parametrize("node", ["", "..", "a/b", "-a", "a-", "a" * 64, ".bases", "_probe2", "a\n"])
def test_a_node_has_a_host_name(tmp_path: Path, node: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        Layout(tmp_path).node(node)
    assert Layout(tmp_path).node(PROBE)


@pytest.mark.parametrize("generation", ["", "0", "..", "1/2", "01", "x", "1\n"])
def test_a_generation_has_a_number(tmp_path: Path, generation: str) -> None:
    with pytest.raises(ValueError, match="generation"):
        Layout(tmp_path).generation("worker-0-0", generation)


def test_labels() -> None:
    record = history.with_snapshot(RECORD_1, "2", "before-upgrade", 1.0)
    with pytest.raises(Conflict, match="already"):
        history.with_snapshot(record, "3", "before-upgrade", 2.0)
    for label in ("", "a b", "../x", "reset-3", "x" * 49, "a\n"):
        with pytest.raises(RequestError):
            history.with_snapshot(record, "3", label, 2.0)
    with pytest.raises(NotFound) as told:
        history.find_kept(record, "before-upgrad")
    assert "before-upgrade" in told.value.hint
    with pytest.raises(NotFound, match="no root to go back to"):
        history.find_kept(RECORD_1, None)
    assert history.without_kept(record, "before-upgrade").kept == ()


def test_an_ephemeral_root_is_served_on_but_not_kept() -> None:
    former = replace(RECORD_1, strategy=Strategy.EPHEMERAL)
    after = history.successor(former, replace(RECORD_1, generation="2", next=3), Origin.SET, 9.0)
    assert (after.kept, after.serving) == ((), ("1",))
