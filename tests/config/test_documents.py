"""What is written for people is true: the sample and the reference."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from graped.config import flat
from graped.config.check import check
from graped.config.load import load
from graped.config.types import Config, Deadlines, Device, Elastic, Prepare, Stack
from graped.hardware.drivers import registry

from .test_render import run

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "config.toml"
REFERENCE = (ROOT / "graped" / "README.md").read_text()
DRIVERS = registry.find()
SECTIONS: dict[str, Any] = {field.name: type(field.default) for field in fields(Config)}


def test_the_sample_loads_and_comments_out_nothing_but_defaults(tmp_path: Path) -> None:
    text = SAMPLE.read_text()
    bare = re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)
    told = tmp_path / "config.toml"
    told.write_text(bare)
    sample, uncommented = load(SAMPLE, DRIVERS), load(told, DRIVERS)
    assert sample.warnings == ()
    assert sample.config == uncommented.config
    silent = {key for key, value, source in uncommented.values if source == "default" and value is not None}
    said = {"cluster.stacks.1.driver", "cluster.stacks.1.shunt_ohms"}  # at stack 0
    assert silent == said | {
        f"cluster.stacks.0.devices.{slot}.{key}" for slot in (1, 5) for key in ("boot", "role")
    }  # at slot 0


def rows(title: str) -> dict[str, str]:
    """Read a section's table: key -> default."""
    part = REFERENCE.split(f"### `[{title}]`\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", part, flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("title", "cls", "apart"),
    [
        *((name, cls, {"stacks", "deadlines", "prepare", "elastic"}) for name, cls in SECTIONS.items()),
        ("netboot.deadlines", Deadlines, set()),
        ("netboot.prepare", Prepare, set()),
        ("docker.elastic", Elastic, set()),
        ("cluster.stacks.N", Stack, {"devices", "options"}),
        ("cluster.stacks.N.devices.S", Device, set()),
    ],
)
def test_the_reference_has_every_key_with_its_default(title: str, cls: Any, apart: set[str]) -> None:
    defaults = {key: value for key, value in flat.plain(cls()).items() if key not in apart}
    told = {key: text for key, text in rows(title).items() if key not in apart}
    assert told.keys() == defaults.keys()
    for key, text in told.items():
        value = None if text == "not set" else tomllib.loads(f"x = {text.strip('`')}")["x"]
        assert value == defaults[key], key


def test_the_reference_shows_what_check_config_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = REFERENCE.split("With this `broken.toml`\n```toml\n")[1].split("```")[0]
    Path("broken.toml").write_text(text)
    code, lines = run(check, Path("broken.toml"), DRIVERS)
    shown = REFERENCE.split("$ graped --check-config broken.toml\n")[1].split("\n```")[0]
    assert (code, lines) == (2, shown.splitlines())


def test_every_example_of_a_driver_loads(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(\[cluster\.stacks\.[4-7]\]\n.*?)```", REFERENCE, flags=re.DOTALL)
    (tmp_path / "config.toml").write_text("\n".join(examples))
    stacks = load(tmp_path / "config.toml", DRIVERS).config.cluster.stacks
    assert [stack.driver for stack in stacks.values()] == ["gpio_relay", "command", "command", "command"]
