"""``grape_docker image`` and ``grape_docker registry``, as people and units call them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grape_docker.__main__ import main
from grape_docker.cli import exits
from grape_docker.registry.place import Address, Place
from tests.docker.fake_engine import Serving
from tests.docker.fake_images import made
from tests.docker.fake_swarm import FakeEngine

Run = Callable[..., int]


@pytest.fixture
def run(place: Place, served: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on this test's state folder and Docker; graped is not there."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    where = ("--state-dir", str(place.folder.parent), "--docker", served.url, "--socket", str(tmp_path / "none.sock"))

    def command(*args: str) -> int:
        return main([*args, *where])

    return command


@pytest.fixture
def app(engine: FakeEngine) -> None:
    image = made("app")
    image.names = ["app:1"]
    engine.images.held.append(image)


@pytest.mark.usefixtures("app")
def test_push_list_rm(run: Run, registry: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("image", "push", "app:1") == exits.OK
    out, err = capsys.readouterr()
    assert out.startswith("app:1  arm64  ")
    assert err == "pushing\n"
    assert run("image", "list") == exits.OK
    out, _ = capsys.readouterr()
    assert out.split()[:1] == ["app:1"]
    assert "arm64" in out
    assert run("image", "rm", "app:1") == exits.USAGE
    assert "--yes" in capsys.readouterr().err
    assert run("image", "rm", "app:1", "--yes") == exits.OK
    assert run("image", "list") == exits.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "image push" in err


@pytest.mark.usefixtures("app")
def test_json(run: Run, registry: Address, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*args: str) -> Any:
        assert run("--json", *args) == exits.OK
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out)

    (pushed,) = told("image", "push", "app:1", "--name", "team/app")
    assert (pushed["name"], pushed["full_name"]) == ("team/app:latest", f"{registry.text}/team/app:latest")
    (listed,) = told("image", "list")
    assert listed["digest"] == pushed["digest"]
    assert told("image", "rm", "team/app", "--yes") == ["team/app:latest"]
    assert told("image", "list") == []


@pytest.mark.usefixtures("app")
def test_prune_asks_the_swarm_first(
    run: Run, registry: Address, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("image", "prune", "--yes") == exits.CONFLICT  # no swarm: nobody knows what is needed
    engine.init({}, {})
    assert run("image", "prune") == exits.OK
    assert "Every image has a tag" in capsys.readouterr().err
    assert run("image", "push", "app:1") == exits.OK
    engine.images.held[:] = [made("newer")]
    engine.images.held[0].names = ["app:1"]
    assert run("image", "push", "app:1") == exits.OK
    capsys.readouterr()
    assert run("image", "prune") == exits.USAGE
    assert run("image", "prune", "--yes") == exits.OK
    assert capsys.readouterr().out.startswith("library/app@sha256:")
    assert run("--json", "image", "prune") == exits.OK
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("image", "push", "nowhere:1"), "not_found"),
        (("image", "push", "Nowhere"), "bad_image_name"),
        (("image", "push", __file__), "bad_image_file"),
        (("image", "rm", "nowhere", "--yes"), "not_found"),
    ],
)
def test_mistakes(
    run: Run, registry: Address, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: str
) -> None:
    assert run("--json", *args) == exits.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["code"] == code


def test_a_docker_that_is_not_there(
    run: Run, registry: Address, served: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    served.stop()
    assert run("image", "push", "app:1") == exits.UNREACHABLE
    assert "systemctl start docker" in capsys.readouterr().err


def test_prepare_takes_the_address_of_the_last_time_where_graped_does_not_answer(
    run: Run, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("registry", "prepare") == exits.UNREACHABLE
    assert not place.folder.exists()
    assert run("registry", "prepare", "--address", "10.77.0.1", "--port", "5001") == exits.OK
    capsys.readouterr()
    assert run("registry", "prepare", "--json") == exits.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["url"], told["config"]) == ([], "https://10.77.0.1:5001", str(place.config))
    assert run("registry", "prepare", "--port", "5002") == exits.OK
    out, err = capsys.readouterr()
    assert out.startswith("https://10.77.0.1:5002: made: configuration, address;")
    assert "last time" in err
