"""What enrolment writes: merged with what is there, judged before it is written, never over what a later file says."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from graped.config import enrolled, files
from graped.config.load import Loaded, validate
from graped.errors import ConfigError
from graped.model import SlotId

from .rig import DRIVERS, MAC, OTHER_MAC, write

A, B, C = SlotId(0, 0), SlotId(0, 1), SlotId(3, 5)
RACK = f"[cluster.stacks.0.devices.0]\nmac = '{MAC}'\nname = 'alice'\n[cluster.stacks.3]\n"
NEW = "dc:a6:32:00:00:01"


def judge(document: files.Document) -> Loaded:
    return validate(document, DRIVERS)


def draft(config: Path, changes: enrolled.Changes) -> enrolled.Draft:
    return enrolled.draft(config, changes, judge)


def macs(config: Path) -> dict[SlotId, str | None]:
    stacks = judge(files.read(config)).config.cluster.stacks
    return {SlotId(key, slot): one.mac for key, stack in stacks.items() for slot, one in stack.devices.items()}


def test_it_is_written_whole_beside_the_configuration(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    made = draft(config, {B: {"mac": NEW, "serial": "0a0b0c0d"}, C: {"mac": OTHER_MAC}})
    assert made.file == tmp_path / "config.d" / "50-enrolled.toml"
    assert not made.file.exists()
    assert f'+mac = "{NEW}"' in made.diff.splitlines()
    assert made.write()
    assert made.file.read_text().startswith("# Written by Grape")
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o644
    assert macs(config) == {A: MAC, B: NEW, C: OTHER_MAC}


def test_it_is_merged_with_what_the_file_had(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    draft(config, {B: {"mac": NEW}}).write()
    draft(config, {C: {"mac": OTHER_MAC}}).write()
    assert macs(config)[B] == NEW
    again = draft(config, {B: {"mac": NEW}})
    assert (again.diff, again.write()) == ("", False)


def test_a_move_empties_the_slot_it_leaves(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    draft(config, {A: {"mac": ""}, B: {"mac": MAC}}).write()
    assert macs(config) == {B: MAC}
    draft(config, {A: {"mac": NEW}}).write()
    assert judge(files.read(config)).config.node_name(A) == "alice"  # the slot's name stays


def test_a_mac_in_two_slots_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    with pytest.raises(ConfigError):
        draft(config, {B: {"mac": MAC}})
    assert not enrolled.file_of(config).exists()


def test_what_a_later_file_says_is_left_alone(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    later = tmp_path / "config.d" / "60-mine.toml"
    later.parent.mkdir()
    later.write_text(f"[cluster.stacks.0.devices.1]\nmac = '{OTHER_MAC}'\n")
    for _ in range(2):  # before there is a drop-in, and after
        made = draft(config, {B: {"mac": NEW}, A: {"mac": NEW}})
        assert str(later) in made.left_out[B]
        made.write()
        assert macs(config) == {A: NEW, B: OTHER_MAC}


def test_a_model_that_another_file_gives_stays(tmp_path: Path) -> None:
    config = write(tmp_path, RACK + "[cluster.stacks.0.devices.1]\nmodel = 'pxe'\n")
    made = draft(config, {B: {"mac": NEW, "model": "4", "serial": "0a0b0c0d"}})
    made.write()
    assert tomllib.loads(made.file.read_text())["cluster"]["stacks"]["0"]["devices"]["1"] == {
        "mac": NEW, "serial": "0a0b0c0d",
    }  # fmt: skip
    assert "model" in made.left_out[B]
    draft(config, {B: {"mac": OTHER_MAC, "serial": None}}).write()
    assert "serial" not in made.file.read_text()


def test_a_file_that_cannot_be_used_is_not_written_over(tmp_path: Path) -> None:
    config = write(tmp_path, RACK)
    file = enrolled.file_of(config)
    file.parent.mkdir()
    file.write_text("[half a")
    with pytest.raises(ConfigError):
        draft(config, {B: {"mac": NEW}})
    assert file.read_text() == "[half a"
