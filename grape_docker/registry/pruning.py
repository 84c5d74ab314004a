"""Images that no tag leads to any more, because it was pushed again, go; not those that services name by digest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grape_docker.registry import writer
from grape_docker.registry.errors import RegistryError
from grape_docker.registry.place import Place
from grape_docker.swarm.engine import Engine
from graped.files import remove_tree
from graped.runner import Runner

MANIFESTS = "_manifests"
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """One image without a tag: ``path`` of its repository, ``digest`` of its manifest (64 hexadecimal digits)."""

    path: str
    digest: str


def in_use(engine: Engine) -> frozenset[str]:
    """Return the digests by which services name their images: Docker pins them when a service is made.

    Raises what Engine.call raises, NotManager too: without the swarm nobody knows what is needed.
    """
    services = engine.call("reading the swarm's services", lambda client: client.services())
    return frozenset(found for service in services for found in DIGEST.findall(_images(service)))


def _images(service: dict[str, Any]) -> str:
    """Return the images of a service's specification and of the one it would be rolled back to."""
    specs = (service.get("Spec") or {}, service.get("PreviousSpec") or {})
    return " ".join(((spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Image") or "" for spec in specs)


def stale(place: Place, keep: frozenset[str]) -> tuple[Stale, ...]:
    """Find the images that no tag, no list of images and nobody in ``keep`` needs. Raises RegistryError."""
    try:
        return tuple(sorted(_stale(place, keep), key=lambda one: (one.path, one.digest)))
    except OSError as error:
        raise RegistryError(f"cannot read {place.data}: {error.strerror}", hint=writer.GROUP_HINT) from error


def prune(place: Place, found: Iterable[Stale], keep: frozenset[str], runner: Runner) -> None:
    """Remove images that are still stale, and what only they needed. Raises as removing does."""
    with writer.locked(place, alone=True):
        now = set(stale(place, keep))
        for one in found:
            if one in now:
                _remove(place, one)
    writer.sweep(place, runner)


def _remove(place: Place, one: Stale) -> None:
    try:
        remove_tree(place.repositories / one.path / MANIFESTS / "revisions" / "sha256" / one.digest)
    except OSError as error:
        raise RegistryError(f"cannot remove from {place.data}: {error.strerror}", hint=writer.GROUP_HINT) from error


def _stale(place: Place, keep: frozenset[str]) -> Iterator[Stale]:
    for folder in sorted(place.repositories.rglob(MANIFESTS)):
        revisions = {each.name for each in (folder / "revisions" / "sha256").glob("*")}
        needed = _led_to(folder) | (revisions & keep)
        while more := _listed(place, needed) - needed:
            needed |= more
        path = str(folder.parent.relative_to(place.repositories))
        yield from (Stale(path=path, digest=digest) for digest in revisions - needed)


def _led_to(folder: Path) -> set[str]:
    links = (folder / "tags").glob("*/current/link")
    return {found for link in links for found in DIGEST.findall(link.read_text())}


def _listed(place: Place, digests: set[str]) -> set[str]:
    """Return the manifests that these name, where they are lists of images."""
    found: set[str] = set()
    for digest in digests:
        try:
            manifest = json.loads(_blob(place, digest).read_text())
        except (FileNotFoundError, ValueError):
            continue  # what is damaged leads nowhere
        children = manifest.get("manifests") if isinstance(manifest, dict) else None
        found |= {each for child in children or () for each in DIGEST.findall(str(child.get("digest")))}
    return found


def _blob(place: Place, digest: str) -> Path:
    return place.data / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
