"""Settings in a running graped: in force at once, shown with their source, kept over a restart, never in its way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from graped.config import settings
from graped.core.state import Remembered
from graped.core.step import initial, step
from graped.errors import ConfigError
from graped.hardware.drivers import registry
from graped.model import SlotId
from graped.service import Service, Source
from tests.live.daemon import Daemon

NODE = SlotId(0, 1)
KEY = "cluster.stacks.0.devices.1.image"


class Engine:
    """The core with a door and nothing around it."""

    def __init__(self, source: Source) -> None:
        self.state = initial(source.load().config, Remembered(), layouts={0: frozenset(range(6))}, next_job=1)
        self.ask_power = self.cancel = self.plan_power = self.changed = self.guard = None

    def post(self, event: Any) -> None:
        self.state, _ = step(self.state, event, 1.0)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "config.toml").write_text(
        f"store.state_dir = '{tmp_path}'\n[cluster.stacks.0.devices]\n1.image = 'old'\n2 = {{}}\n"
    )
    return Source(path=tmp_path / "config.toml", drivers=registry.find())


def service_on(source: Source) -> tuple[Service, Engine]:
    engine = Engine(source)
    clock = SimpleNamespace(monotonic=lambda: 1.0)
    service = Service(
        engine=cast(Any, engine), store=cast(Any, None), clock=cast(Any, clock), source=source, loaded=source.load(),
        simulator=None, access=cast(Any, None),
    )  # fmt: skip
    return service, engine


def image(engine: Engine, slot: SlotId = NODE) -> str | None:
    return engine.state.config.cluster.stacks[slot.stack].devices[slot.slot].image


def test_settings_are_on_disk_in_force_and_shown_together(source: Source, tmp_path: Path) -> None:
    service, engine = service_on(source)
    service.set_devices({NODE: {"image": "new"}, SlotId(0, 2): {"image": "other"}})
    assert (image(engine), image(engine, SlotId(0, 2))) == ("new", "other")
    shown = {value.key: value for value in service.config_view().values}
    assert (shown[KEY].value, shown[KEY].source) == ("new", str(tmp_path / "settings.toml"))
    assert 'image = "new"' in service.config_view().toml
    service.set_devices({NODE: {"image": None}})
    assert image(engine) == "old"
    assert image(service_on(source)[1], SlotId(0, 2)) == "other"


def test_files_that_somebody_is_editing_are_not_read_with_a_setting(source: Source) -> None:
    service, engine = service_on(source)
    source.path.write_text("[half a")
    service.set_devices({NODE: {"image": "new"}})
    assert image(engine) == "new"


def test_a_refused_setting_changes_nothing(source: Source) -> None:
    service, engine = service_on(source)
    with pytest.raises(ConfigError):
        service.set_devices({NODE: {"image": "new"}, SlotId(0, 2): {"strategy": "x"}})
    assert image(engine) == image(service_on(source)[1]) == "old"


def test_settings_are_where_the_state_is(source: Source, tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    settings.set_device(room, NODE, {"image": "sim"})
    assert image(service_on(replace(source, state_dir=room))[1]) == "sim"


def test_a_broken_settings_file_is_a_fault_that_heals_and_graped_starts(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.state.mkdir()
    file = daemon.state / "settings.toml"
    file.write_text("[broken")
    with daemon:
        (fault,) = daemon.client().get("/v1/status")["faults"]
        assert (fault["code"], str(file) in fault["message"]) == ("settings", True)
        file.unlink()
        settings.set_device(daemon.state, NODE, {"image": "kept"})
        assert daemon.cli("config", "reload").returncode == 0
        assert daemon.client().get("/v1/status")["faults"] == []
        values = {value["key"]: value for value in daemon.client().get("/v1/config")["values"]}
        assert (values[KEY]["value"], values[KEY]["source"]) == ("kept", str(file))
