"""What commands set at run time: merged last, written whole, never in the way of a start."""

from __future__ import annotations

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.config import files, settings
from graped.config.check import show
from graped.config.load import Loaded
from graped.config.types import Boot, Device, Model, Role, Strategy
from graped.errors import ConfigError
from graped.model import SlotId

from .rig import DRIVERS, MAC, OTHER_MAC, write

NODE, OTHER = SlotId(0, 0), SlotId(3, 5)
RACK = f"[cluster.stacks.0.devices.0]\nmac = '{MAC}'\nimage = 'old'\n[cluster.stacks.3.devices.5]\nmac = '{OTHER_MAC}'"


def effective(folder: Path, text: str = RACK) -> Loaded:
    return settings.effective(files.read(write(folder, text)), DRIVERS, lambda _: folder)


def device(loaded: Loaded, slot: SlotId = NODE) -> Device:
    return loaded.config.cluster.stacks[slot.stack].devices[slot.slot]


def test_what_is_set_wins_key_by_key_and_is_named_as_the_source(tmp_path: Path) -> None:
    assert settings.set_device(tmp_path, NODE, {"image": "bookworm@3f9c2a", "strategy": "copy"})
    loaded = effective(tmp_path)
    assert (device(loaded).image, device(loaded).strategy) == ("bookworm@3f9c2a", Strategy.COPY)
    assert device(loaded).mac == MAC
    sources = {key: source for key, _, source in loaded.values}
    at = "cluster.stacks.0.devices.0"
    assert sources[f"{at}.image"] == str(tmp_path / "settings.toml")
    assert sources[f"{at}.mac"] == str(tmp_path / "config.toml")
    assert loaded.files[-1] == tmp_path / "settings.toml"
    assert loaded.settings_fault == ""


def test_without_settings_the_files_are_all(tmp_path: Path) -> None:
    loaded = effective(tmp_path)
    assert device(loaded).image == "old"
    assert loaded.files == (tmp_path / "config.toml",)


def test_clearing_gives_back_what_the_files_say(tmp_path: Path) -> None:
    settings.set_devices(tmp_path, {NODE: {"image": "new", "boot": "local"}, OTHER: {"model": "4"}})
    settings.set_device(tmp_path, NODE, {"image": None})
    assert (device(effective(tmp_path)).image, device(effective(tmp_path)).boot) == ("old", Boot.LOCAL)
    assert device(effective(tmp_path), OTHER).model is Model.PI4
    settings.set_devices(tmp_path, {NODE: {"boot": None}, OTHER: {"model": None}})
    assert device(effective(tmp_path)).boot is Boot.NETWORK
    assert settings.read(tmp_path / "settings.toml") == {}


def test_the_file_says_whose_it_is_and_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    assert settings.set_device(tmp_path, NODE, {"image": "new"})
    file = tmp_path / "settings.toml"
    assert file.read_text().startswith("# Written by Grape")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    before = file.stat().st_ino
    assert not settings.set_device(tmp_path, NODE, {"image": "new"})
    assert file.stat().st_ino == before


@pytest.mark.parametrize("keys", [{"image": "../etc"}, {"strategy": "overlai"}, {"mac": MAC}, {"quarantine": "x\ny"}])
def test_a_value_that_is_not_good_changes_nothing_for_any_node(tmp_path: Path, keys: dict[str, str | None]) -> None:
    settings.set_device(tmp_path, NODE, {"image": "new"})
    with pytest.raises(ConfigError):
        settings.set_devices(tmp_path, {NODE: {"image": "newer"}, OTHER: keys})
    assert device(effective(tmp_path)).image == "new"


def test_settings_of_what_no_file_has_are_passed_over_with_one_warning(tmp_path: Path) -> None:
    settings.set_devices(tmp_path, {slot: {"image": "new"} for slot in (NODE, OTHER, SlotId(3, 1), SlotId(7, 0))})
    loaded = effective(tmp_path)
    assert loaded.config.cluster.stacks.keys() == {0, 3}
    assert loaded.config.cluster.stacks[3].devices.keys() == {5}
    assert [warning for warning in loaded.warnings if "passed over" in warning] == [
        f"{tmp_path / 'settings.toml'}: passed over, because no file has these devices any more: worker-3-1, worker-7-0"
    ]
    emptied = effective(tmp_path, RACK.replace(MAC, ""))
    assert 0 not in emptied.config.cluster.stacks[0].devices
    assert "worker-0-0" in emptied.warnings[-1]


BROKEN = [
    "cluster = 5",
    "[power]\nstagger_s = 1",
    "[cluster]\nname = 'x'",
    "[cluster.stacks.0]\nbus = 1",
    "[cluster.stacks.0.devices.0]\nmac = ''",
    "[cluster.stacks.0.devices.0]\nimage = 5",
    "[cluster.stacks.0.devices.00]\nimage = 'x'",
    "[cluster.stacks.0.devices.0]\nstrategy = 'cpoy'",
    "[cluster.stacks.0.devices]\n0 = 5",
    "[cluster.stacks.0.devices.0",
    "\x00",
    "x" * (2 << 20),
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_named_and_ignored_and_never_written_over(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    loaded = effective(tmp_path)
    assert device(loaded).image == "old"
    assert loaded.settings_fault.startswith(f"settings are not used: {file}")
    with pytest.raises(ConfigError):
        settings.set_device(tmp_path, NODE, {"image": "new"})
    assert file.read_text() == text


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    assert "a file that can be read" in effective(tmp_path).settings_fault


def test_mistakes_of_the_files_are_raised_as_ever(tmp_path: Path) -> None:
    settings.set_device(tmp_path, NODE, {"image": "new"})
    with pytest.raises(ConfigError) as caught:
        effective(tmp_path, RACK + "\n[powr]")
    assert [problem.key for problem in caught.value.problems] == ["powr"]


def test_show_prints_settings_with_their_source_and_tells_broken_ones(tmp_path: Path) -> None:
    path = write(tmp_path, RACK)
    settings.set_device(tmp_path, NODE, {"image": "new"})
    out = io.StringIO()
    assert show(path, DRIVERS, out, state_dir=tmp_path) == 0
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith('image = "new"')]
    assert line.endswith(f"# {tmp_path / 'settings.toml'}")
    (tmp_path / "settings.toml").write_text("[")
    out = io.StringIO()
    assert show(path, DRIVERS, out, state_dir=tmp_path) == 0
    assert f"# warning: settings are not used: {tmp_path / 'settings.toml'}" in out.getvalue()


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    slots = [SlotId(stack, slot) for stack in range(4) for slot in range(6)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda slot: settings.set_device(tmp_path, slot, {"image": slot.default_name}), slots))
    assert settings.read(tmp_path / "settings.toml") == {slot: {"image": slot.default_name} for slot in slots}


slots = st.builds(SlotId, st.integers(0, 15), st.integers(0, 5))
values = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["bookworm", "a.b_c-D@0123abcd", None]),
        "strategy": st.sampled_from([*(strategy.value for strategy in Strategy), None]),
        "model": st.sampled_from([*(model.value for model in Model), None]),
        "boot": st.sampled_from([*(boot.value for boot in Boot), None]),
        "role": st.sampled_from([*(role.value for role in Role), None]),
    },
)


@given(st.lists(st.dictionaries(slots, values, max_size=4), max_size=5))
def test_what_was_set_last_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[SlotId, dict[str, str | None]]]
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    wanted: dict[tuple[SlotId, str], str] = {}
    for changes in rounds:
        settings.set_devices(folder, changes)
        for slot, keys in changes.items():
            for key, value in keys.items():
                wanted.pop((slot, key), None)
                wanted |= {(slot, key): value} if value is not None else {}
    read = settings.read(folder / "settings.toml")
    assert {(slot, key): value for slot, keys in read.items() for key, value in keys.items()} == wanted
    assert [name for name in os.listdir(folder) if name != "settings.toml"] == []
