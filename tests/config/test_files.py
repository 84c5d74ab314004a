"""Files, drop-ins, and where a value comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.config.load import load
from graped.config.types import AtStart, Device
from graped.errors import ConfigError

from .rig import DRIVERS, MAC, OTHER_MAC, accept, only, problems, write

SLOT = "cluster.stacks.0.devices.0"


def test_drop_ins_are_merged_key_by_key_in_order_of_name(tmp_path: Path) -> None:
    loaded = accept(
        tmp_path,
        f"power = {{ at_start = 'on', stagger_s = 3 }}\n[{SLOT}]\nmac = '{MAC}'\n",
        b20="power.at_start = 'adopt'",
        a10=f"power.at_start = 'restore'\n[{SLOT}]\nname = 'first'\n",
    )
    assert loaded.config.power.at_start is AtStart.ADOPT
    assert loaded.config.power.stagger_s == 3.0
    assert loaded.config.cluster.stacks[0].devices == {0: Device(mac=MAC, name="first")}
    assert [path.name for path in loaded.files] == ["config.toml", "a10.toml", "b20.toml"]


def test_each_value_tells_the_file_it_comes_from(tmp_path: Path) -> None:
    loaded = accept(tmp_path, f"[{SLOT}]\nmac = '{MAC}'\n", more=f"[{SLOT}]\nname = 'first'\n")
    told = {key: (value, source) for key, value, source in loaded.values}
    assert told[f"{SLOT}.mac"] == (MAC, str(tmp_path / "config.toml"))
    assert told[f"{SLOT}.name"] == ("first", str(tmp_path / "config.d" / "more.toml"))
    assert told["power.stagger_s"] == (0.5, "default")
    assert told["cluster.stacks.0.bus"] == (None, "default")
    assert told["gpio.display_pin"] == (17, "default")


def test_an_empty_mac_empties_a_slot_and_a_later_file_can_fill_it_again(tmp_path: Path) -> None:
    base = f"[{SLOT}]\nmac = '{MAC}'\nname = 'first'\n"
    emptied = accept(tmp_path, base, a=f"{SLOT}.mac = ''")
    assert emptied.config.cluster.stacks[0].devices == {}
    filled = accept(tmp_path, base, a=f"{SLOT}.mac = ''", b=f"{SLOT}.mac = '{OTHER_MAC}'")
    assert filled.config.cluster.stacks[0].devices == {0: Device(mac=OTHER_MAC, name="first")}


def test_duplicates_are_judged_after_the_merge(tmp_path: Path) -> None:
    moved = accept(
        tmp_path,
        f"[cluster.stacks.0]\ndevices.0.mac = '{MAC}'\n",
        moved=f"[cluster.stacks.0]\ndevices.0.mac = ''\ndevices.1.mac = '{MAC}'\n",
    )
    assert list(moved.config.cluster.stacks[0].devices) == [1]


def test_a_problem_names_the_file_that_set_the_value(tmp_path: Path) -> None:
    drop_in = str(tmp_path / "config.d" / "over.toml")
    assert only(tmp_path, "power.stagger_s = 1", over="power.stagger_s = 'x'").file == drop_in
    assert only(tmp_path, "bus.deadline_s = 0.2", over="poll.power_s = 0.1").file == str(tmp_path / "config.toml")


def test_a_wrong_value_that_a_later_file_corrects_is_no_problem(tmp_path: Path) -> None:
    assert accept(tmp_path, "power.stagger_s = 'x'", over="power.stagger_s = 2").config.power.stagger_s == 2.0


def test_a_later_value_replaces_a_table_and_the_other_way_round(tmp_path: Path) -> None:
    assert only(tmp_path, "[power]\nzzz = 1", over="power = 5").key == "power"
    (tmp_path / "config.d" / "over.toml").unlink()
    assert accept(tmp_path, "power = 5", over="power.stagger_s = 2").config.power.stagger_s == 2.0


def test_a_file_that_is_not_toml_is_one_problem_and_the_others_are_still_judged(tmp_path: Path) -> None:
    found = problems(tmp_path, "[cluster\nname = 1\n", bad="x = = 1", good="power.stagger_s = -1")
    assert [(Path(problem.file).name, problem.key) for problem in found] == [
        ("config.toml", "line 1, column 9"),
        ("bad.toml", "line 1, column 5"),
        ("good.toml", "power.stagger_s"),
    ]


def test_a_missing_file_is_a_problem_and_drop_ins_are_still_judged(tmp_path: Path) -> None:
    path = write(tmp_path, "", more="powr = 1")
    path.unlink()
    with pytest.raises(ConfigError) as caught:
        load(path, DRIVERS)
    missing, unknown = caught.value.problems
    assert str(missing) == f"{path}: expected a file that can be read, found no such file or directory"
    assert unknown.nearest == "power"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a = 1\n\xff\n", "line 2: expected text in UTF-8"),
        (b"x = " + b"[" * 5000, "levels"),
        (b"a." * 5000 + b"a = 1", "levels"),
        (b"x = " + b"1" * 5000, "expected TOML"),
        (b"#" * (5 << 20), "bytes"),
    ],
)
def test_bytes_that_no_editor_writes_are_told_like_all_others(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load(path, DRIVERS)
    assert words in " ".join(map(str, caught.value.problems))


def test_only_toml_files_that_are_not_hidden_are_drop_ins(tmp_path: Path) -> None:
    accept(tmp_path, "", a="")
    for name in (".hidden.toml", "b.toml~", "b.toml.bak"):
        (tmp_path / "config.d" / name).write_text("not toml at all")
    assert len(load(tmp_path / "config.toml", DRIVERS).files) == 2


def test_a_drop_in_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "", a="")
    (tmp_path / "config.d" / "b.toml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(path, DRIVERS)
    assert [problem.found for problem in caught.value.problems] == ["is a directory"]
    (tmp_path / "config.d" / "b.toml").rmdir()
    (tmp_path / "config.d" / "a.toml").unlink()
    (tmp_path / "config.d").rmdir()
    (tmp_path / "config.d").write_text("a file, not a folder")
    with pytest.raises(ConfigError) as caught:
        load(path, DRIVERS)
    assert [problem.found for problem in caught.value.problems] == ["not a directory"]
