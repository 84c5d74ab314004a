"""Whatever a file says: a configuration, or ConfigError. Nothing else ever comes out."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.config.load import load
from graped.config.render import diff, to_toml
from graped.config.types import Config, Device, Stack
from graped.errors import ConfigError, Problem

from .rig import DRIVERS, MAC, accept_tables, write

SECTIONS: dict[str, Any] = {field.name: type(field.default) for field in fields(Config)}
WORDS = [
    *SECTIONS,
    *(field.name for cls in (*SECTIONS.values(), Stack, Device) for field in fields(cls)),
    *("rest_server", "netboot", "port", "active", "ssh_password", "pins", "pin", "on", "wire", "colour"),
    *map(str, range(18)),
]
keys = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))
scalars = st.one_of(
    st.booleans(),
    st.integers(-2, 40),
    st.integers(),
    st.floats(),
    st.sampled_from([*DRIVERS, MAC, "", "adopt", "a-name", "/x", "10.77.0.12", "10.77.0.1/24", "eth1", "4"]),
    st.text(max_size=8),
    st.just(datetime.date(2024, 1, 1)),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
anything = st.dictionaries(keys, values, max_size=5)


@st.composite
def nearly_right(draw: st.DrawFn) -> dict[str, Any]:
    """Tables of the right shape with anything as values: these come far into the rules."""
    tree: dict[str, Any] = {}
    for name, cls in SECTIONS.items():
        known = st.sampled_from([field.name for field in fields(cls)])
        tree[name] = draw(st.dictionaries(known, values, max_size=2))
    device = st.dictionaries(st.sampled_from([field.name for field in fields(Device)]), values, max_size=2)
    devices = st.dictionaries(st.sampled_from([*"0123456", "x"]), device, max_size=3)
    options = st.dictionaries(st.sampled_from(["pins", "pin", "on", "off", "wire"]), values, max_size=3)
    names = [field.name for field in fields(Stack) if field.name not in ("devices", "options", "driver")]
    stacks: dict[str, Any] = {}
    for key in draw(st.sets(st.sampled_from(["0", "1", "8", "9", "15", "16"]), max_size=4)):
        stack: dict[str, Any] = draw(st.dictionaries(st.sampled_from(names), values, max_size=2))
        stacks[key] = stack | {"driver": draw(st.sampled_from(list(DRIVERS))), "devices": draw(devices)}
        if draw(st.booleans()):
            stacks[key]["options"] = draw(options)
    tree["cluster"]["stacks"] = stacks
    return tree


def refused(tables: tuple[dict[str, Any], ...]) -> tuple[Problem, ...]:
    """Validate; what is accepted can be written and compared."""
    try:
        config = accept_tables(*tables).config
    except ConfigError as error:
        return error.problems
    assert diff(config, config).changed == ()
    assert to_toml(config)
    return ()


def judge(*tables: dict[str, Any]) -> None:
    """Every problem is one line that names a file, and none is told twice."""
    problems = refused(tables)
    for problem in problems:
        assert "\n" not in str(problem)
        assert problem.file.startswith("file-") or problem.file == "default"
    assert len(set(problems)) == len(problems), [str(problem) for problem in problems]


@given(st.lists(anything, max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_tables(tables: list[dict[str, Any]]) -> None:
    judge(*tables)


@given(st.lists(nearly_right(), min_size=1, max_size=2))
@settings(max_examples=30, deadline=None)
def test_nearly_right_tables(tables: list[dict[str, Any]]) -> None:
    judge(*tables)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@given(text=st.text(max_size=60) | st.text(st.sampled_from("[]{}=.\"'\n\\#0x1e_-:Tabc"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text(folder: Path, text: str) -> None:
    path = write(folder, "")
    path.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(ConfigError):
        assert load(path, DRIVERS).files == (path,)
