"""What no tag leads to goes; what a service runs, or a list of images names, stays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import requests

from grape_docker.registry import pushing, writer
from grape_docker.registry.listing import MANIFESTS, images
from grape_docker.registry.place import Address, Place
from grape_docker.registry.pruning import Stale, in_use, prune, stale
from grape_docker.swarm.engine import Engine
from grape_docker.swarm.errors import DockerError, NotManager
from graped.runner import SubprocessRunner
from tests.docker.fake_engine import Serving
from tests.docker.fake_images import made
from tests.docker.fake_swarm import FakeEngine

NONE: frozenset[str] = frozenset()


def push(place: Place, served: Serving, engine: FakeEngine, content: str, name: str) -> str:
    """Push a new image under a name; return its digest."""
    image = made(content)
    image.names = [name]
    engine.images.held[:] = [image]
    (pushed,) = pushing.push(place, Engine(served.url, timeout_s=10), name, tell=lambda _: None)
    return pushed.digest.removeprefix("sha256:")


def blobs(place: Place) -> int:
    return len(list(place.data.rglob("blobs/sha256/*/*/data")))


def test_a_tag_that_was_pushed_again(registry: Address, place: Place, served: Serving, engine: FakeEngine) -> None:
    old, new = (push(place, served, engine, content, "app:1") for content in ("old", "new"))
    assert stale(place, NONE) == (Stale(path="library/app", digest=old),)
    assert stale(place, frozenset({old})) == ()
    assert stale(place, frozenset({new})) == stale(place, NONE)
    prune(place, stale(place, NONE), NONE, SubprocessRunner())
    assert stale(place, NONE) == ()
    assert blobs(place) == 3  # manifest, configuration, layer
    (left,) = images(place)
    assert left.digest == f"sha256:{new}"


def test_what_got_a_tag_again_in_between_stays(
    registry: Address, place: Place, served: Serving, engine: FakeEngine
) -> None:
    old, _ = (push(place, served, engine, content, "app:1") for content in ("old", "new"))
    found = stale(place, NONE)
    assert push(place, served, engine, "old", "app:2") == old
    prune(place, found, NONE, SubprocessRunner())
    assert [each.name for each in images(place)] == ["app:1", "app:2"]


def test_the_images_of_a_list_stay_with_it(
    registry: Address, place: Place, served: Serving, engine: FakeEngine
) -> None:
    digest = push(place, served, engine, "arm", "app:1")
    _put_list(place, "library/app", digest, "all")
    new = push(place, served, engine, "new", "app:1")
    assert stale(place, NONE) == ()
    assert [(each.name, each.architectures) for each in images(place)] == [
        ("app:1", ("arm64",)),
        ("app:all", ("arm64",)),
    ]
    assert new != digest


def _put_list(place: Place, path: str, digest: str, tag: str) -> None:
    """Push a list of images, as newer Dockers do."""
    entry = {"mediaType": MANIFESTS[0], "size": _size(place, digest), "digest": f"sha256:{digest}"}
    platform = {"architecture": "arm64", "os": "linux"}
    text = {"schemaVersion": 2, "mediaType": MANIFESTS[1], "manifests": [{**entry, "platform": platform}]}
    with writer.writing(place) as target:
        put = requests.put(
            f"http://{target.host}/v2/{path}/manifests/{tag}",
            json.dumps(text),
            headers={"Content-Type": MANIFESTS[1]},
            auth=(target.user, target.password),
            timeout=10,
        )
        put.raise_for_status()


def _size(place: Place, digest: str) -> int:
    (blob,) = place.data.rglob(f"blobs/sha256/*/{digest}/data")
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == digest
    return blob.stat().st_size


def test_what_services_run_is_known(served: Serving, engine: FakeEngine, tmp_path: Path) -> None:
    docker = Engine(served.url, timeout_s=5)
    with pytest.raises(NotManager):
        in_use(docker)
    engine.init({}, {})
    one, two = "1" * 64, "2" * 64

    def runs(image: str) -> dict[str, object]:
        return {"TaskTemplate": {"ContainerSpec": {"Image": image}}}

    engine.made.services = [
        {"ID": "a", "Spec": runs(f"app:1@sha256:{one}"), "PreviousSpec": runs(f"app:1@sha256:{two}")},
        {"ID": "b", "Spec": runs("plain:1")},
    ]
    assert in_use(docker) == {one, two}
    engine.broken = (500, "rpc error: code = Unknown desc = The swarm does not have a leader.")
    with pytest.raises(DockerError):
        in_use(docker)
