"""Images go in by the master alone, are listed as nodes see them, and go out again: with a real docker-registry."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from grape_docker.registry import pushing, writer
from grape_docker.registry.errors import BadFile, BadName, NoRegistry, RegistryError
from grape_docker.registry.listing import images
from grape_docker.registry.names import Name, parse
from grape_docker.registry.place import Address, Place
from grape_docker.registry.pushing import Progress, Pushed
from grape_docker.registry.removing import remove
from grape_docker.swarm.engine import Engine
from graped.errors import NotFound
from graped.runner import SubprocessRunner
from tests.docker.fake_engine import Serving
from tests.docker.fake_images import Held, digest, made, saved
from tests.docker.fake_swarm import FakeEngine


def push(place: Place, served: Serving, source: str, name: str | None = None) -> tuple[Pushed, ...]:
    return pushing.push(place, Engine(served.url, timeout_s=10), source, name=name, tell=lambda _: None)


def hold(engine: FakeEngine, content: str, *names: str) -> Held:
    image = made(content)
    image.names = list(names)
    engine.images.held.append(image)
    return image


def blobs(place: Place) -> set[str]:
    return {path.parent.name for path in place.data.rglob("blobs/sha256/*/*/data")}


def test_an_image_that_docker_has(registry: Address, place: Place, served: Serving, engine: FakeEngine) -> None:
    image = hold(engine, "one", "app:1")
    (pushed,) = push(place, served, "app:1")
    assert (pushed.name, pushed.architecture) == ("app:1", "arm64")
    assert pushed.full_name == f"{registry.text}/library/app:1"
    (listed,) = images(place)
    assert (listed.name, listed.digest, listed.architectures) == ("app:1", pushed.digest, ("arm64",))
    assert listed.size_bytes == len(image.layer)
    assert engine.images.names() == ["app:1"]  # the name that it had for the push is gone


def test_a_file_of_docker_save(
    registry: Address, place: Place, served: Serving, engine: FakeEngine, tmp_path: Path
) -> None:
    one, two = made("one"), made("two")
    one.names, two.names = ["redis:7"], ["team/app:1"]
    file = tmp_path / "images.tar.gz"
    file.write_bytes(gzip.compress(saved(one, two)))
    told: list[Progress] = []
    pushed = pushing.push(place, Engine(served.url), str(file), tell=told.append)
    assert [each.name for each in pushed] == ["redis:7", "team/app:1"]
    assert [each.name for each in images(place)] == ["redis:7", "team/app:1"]
    loading = [each for each in told if each.step == "loading"]
    assert loading[-1].done == loading[-1].total == file.stat().st_size
    assert {each.step for each in told} == {"loading", "pushing"}
    with pytest.raises(BadName, match="2 images"):
        push(place, served, str(file), "app:1")


def test_a_file_whose_image_has_no_name(
    registry: Address, place: Place, served: Serving, engine: FakeEngine, tmp_path: Path
) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(saved(made("one")))
    with pytest.raises(BadName, match="without a name"):
        push(place, served, str(file))
    assert images(place) == ()
    (pushed,) = push(place, served, str(file), "app:3")
    assert pushed.name == "app:3"
    assert engine.images.names() == ["app:3"]


def test_a_file_that_is_none_of_docker_save(registry: Address, place: Place, served: Serving, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no archive")
    with pytest.raises(BadFile, match=r"loading notes\.txt: Error processing tar") as told:
        push(place, served, str(file))
    assert "docker save" in told.value.hint


def test_an_image_that_is_nowhere(registry: Address, place: Place, served: Serving) -> None:
    with pytest.raises(NotFound, match="nowhere:1"):
        push(place, served, "nowhere:1")


@pytest.mark.parametrize("how", [lambda held: held.id, lambda held: held.id[7:19]])
def test_an_id_is_no_name(
    registry: Address, place: Place, served: Serving, engine: FakeEngine, how: Callable[[Held], str]
) -> None:
    image = hold(engine, "one", "app:1")
    with pytest.raises(BadName, match="not its name"):
        push(place, served, how(image))
    (pushed,) = push(place, served, how(image), "app:2")
    assert pushed.name == "app:2"
    assert engine.images.names() == ["app:1"]


def test_nobody_but_the_master_writes(registry: Address, place: Place) -> None:
    asked = requests.post(f"{registry.url}/v2/x/blobs/uploads/", verify=str(place.ca_certificate), timeout=10)
    assert asked.status_code == 405
    with writer.writing(place) as target:
        without = requests.post(f"http://{target.host}/v2/x/blobs/uploads/", timeout=10)
        assert without.status_code == 401
        right = (target.user, target.password)
        assert requests.get(f"http://{target.host}/v2/", auth=right, timeout=10).status_code == 200
        assert target.password not in repr(target)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{target.host}/v2/", timeout=10)


def test_what_one_member_of_the_group_pushed_others_may_change(
    registry: Address, place: Place, served: Serving, engine: FakeEngine
) -> None:
    hold(engine, "one", "app:1")
    push(place, served, "app:1")
    inside = list(place.data.rglob("*"))
    assert place.data.stat().st_mode & 0o7777 == 0o2770
    assert {path.stat().st_mode & 0o7777 for path in inside if path.is_dir()} == {0o2775}
    assert {path.stat().st_mode & 0o7777 for path in inside if path.is_file()} == {0o664}


def test_a_tag_goes_and_others_of_the_same_image_stay(
    registry: Address, place: Place, served: Serving, engine: FakeEngine
) -> None:
    both, other = hold(engine, "both", "app:1", "app:2"), hold(engine, "other", "app:3", "app/below:1")
    for name in ("app:1", "app:2", "app:3"):
        push(place, served, name)
    push(place, served, "app/below:1")
    remove(place, (parse("app:1"),), SubprocessRunner())
    assert [each.name for each in images(place)] == ["app/below:1", "app:2", "app:3"]
    assert digest(both.layer) in {f"sha256:{each}" for each in blobs(place)}
    remove(place, (parse("app:2"),), SubprocessRunner())
    assert digest(both.layer) not in {f"sha256:{each}" for each in blobs(place)}
    remove(place, (parse("app:3"),), SubprocessRunner())
    assert [each.name for each in images(place)] == ["app/below:1"]
    assert digest(other.layer) in {f"sha256:{each}" for each in blobs(place)}
    push(place, served, "app:1")
    assert [each.name for each in images(place)] == ["app/below:1", "app:1"]
    remove(place, (parse("app:1"), parse("app/below:1")), SubprocessRunner())
    assert images(place) == ()
    assert blobs(place) == set()


def test_of_several_names_one_that_is_not_there_keeps_all(
    registry: Address, place: Place, served: Serving, engine: FakeEngine
) -> None:
    hold(engine, "one", "app:1")
    push(place, served, "app:1")
    with pytest.raises(NotFound, match="app:9"):
        remove(place, (parse("app:1"), parse("app:9")), SubprocessRunner())
    assert [each.name for each in images(place)] == ["app:1"]


def test_removing_waits_for_who_pushes(place: Place, registry: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LOCK_S", 0.2)
    with writer.writing(place), pytest.raises(RegistryError, match="somebody else"):
        remove(place, (Name(path="app"),), SubprocessRunner())
    with writer.writing(place), writer.writing(place):
        pass  # two may push at once


def test_without_a_registry(place: Place, served: Serving) -> None:
    with pytest.raises(NoRegistry):
        push(place, served, "app:1")
    with pytest.raises(NoRegistry):
        images(place)


def test_a_registry_that_is_down_is_told(registry: Address, place: Place) -> None:
    place.address_file.write_text(json.dumps({"host": "127.0.0.1", "port": 1}))
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 does not answer: Connection refused"):
        images(place)


def test_a_registry_that_does_not_start_says_why(registry: Address, place: Place, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no such program"), writer.writing(place, program="docker-registry-nope"):
        pass
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    program.chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(RegistryError, match="no space left"), writer.writing(place, program=str(program)):
        pass
    assert time.monotonic() - begun < writer.START_S / 2
