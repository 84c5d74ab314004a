"""Where a run keeps its state and its socket: options before files before defaults; a simulation never mixes in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from graped.hardware.drivers import registry
from graped.service import Source


def source(tmp_path: Path, text: str = "") -> Source:
    (tmp_path / "config.toml").write_text(text)
    return Source(path=tmp_path / "config.toml", drivers=registry.find())


def places(source: Source) -> tuple[Path, Path]:
    config = source.load().config
    return config.store.state_dir, config.api.socket


def test_options_go_before_files_before_defaults(tmp_path: Path) -> None:
    default = source(tmp_path)
    assert places(default) == (Path("/var/lib/grape"), Path("/run/grape/graped.sock"))
    filed = source(tmp_path, 'store.state_dir = "/file"\napi.socket = "/file/s"\n')
    assert places(filed) == (Path("/file"), Path("/file/s"))
    assert places(replace(filed, state_dir=Path("/o"), socket=Path("/o/s"))) == (Path("/o"), Path("/o/s"))


def test_a_simulation_that_nobody_gives_a_place_keeps_apart_from_the_real_rack(tmp_path: Path) -> None:
    simulation = replace(source(tmp_path), room=Path("/room"), own_socket=True)
    assert places(simulation) == (Path("/room"), Path("/room/graped.sock"))
    assert places(replace(simulation, own_socket=False))[1] == Path("/run/grape/graped.sock")
    assert places(replace(simulation, state_dir=Path("/o"))) == (Path("/o"), Path("/o/graped.sock"))
    told = {key: by for key, _, by in simulation.load().values}
    assert told["store.state_dir"] == told["api.socket"] == "--simulate"


def test_a_simulation_keeps_to_the_places_that_its_file_names(tmp_path: Path) -> None:
    filed = source(tmp_path, 'store.state_dir = "/file"\napi.socket = "/file/s"\n')
    assert places(replace(filed, room=Path("/room"), own_socket=True)) == (Path("/file"), Path("/file/s"))
