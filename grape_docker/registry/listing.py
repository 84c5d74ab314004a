"""What is in the registry, asked as a node would ask: over TLS, with the CA that nodes trust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from grape_docker.registry.errors import RegistryError
from grape_docker.registry.names import Name
from grape_docker.registry.place import Address, Place, read_address
from grape_docker.swarm.engine import causes

TIMEOUT_S = 20.0
PAGE = 1000
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One tag in the registry. ``size_bytes``: compressed, as nodes pull it; of a list of images, all of them."""

    name: str
    full_name: str
    digest: str
    size_bytes: int
    architectures: tuple[str, ...]


def images(place: Place) -> tuple[Image, ...]:
    """Return all tags, by name. Raises NoRegistry, RegistryError (it does not answer as it should)."""
    address = read_address(place)
    with Catalog(place, address) as catalog:
        found = [catalog.image(Name(path=path, tag=tag)) for path in catalog.paths() for tag in catalog.tags(path)]
    return tuple(sorted(found, key=lambda image: image.name))


class Catalog:
    """The registry's own API. Source: docs/spec/api.md of github.com/docker/distribution 2.8."""

    def __init__(self, place: Place, address: Address) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy for the Internet does not lead to the master
        self._session.verify = str(place.ca_certificate)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def paths(self) -> Iterator[str]:
        """Walk all repositories, page by page."""
        last = ""
        while True:
            page = self._get("/v2/_catalog", n=str(PAGE), last=last).json()["repositories"]
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1]

    def tags(self, path: str) -> list[str]:
        """Return the tags of a repository; one without any is there no more."""
        answer = self._get(f"/v2/{path}/tags/list", missing=True)
        return list((answer.json().get("tags") or []) if answer.ok else [])

    def image(self, name: Name) -> Image:
        """Return what a tag leads to."""
        answer = self._get(f"/v2/{name.path}/manifests/{name.tag}")
        parts = list(self._parts(name.path, answer.json()))
        return Image(
            name=name.short,
            full_name=name.at(self._address.text),
            digest=answer.headers.get("Docker-Content-Digest", ""),
            size_bytes=sum(size for size, _ in parts),
            architectures=tuple(sorted({architecture for _, architecture in parts if architecture})),
        )

    def _parts(self, path: str, manifest: dict[str, Any]) -> Iterator[tuple[int, str]]:
        """Tell size and architecture of each image behind a manifest or a list of them."""
        for child in manifest.get("manifests") or ():
            if (child.get("platform") or {}).get("architecture") != "unknown":  # an attestation, not an image
                yield from self._parts(path, self._get(f"/v2/{path}/manifests/{child['digest']}").json())
        if "layers" in manifest:
            config = self._get(f"/v2/{path}/blobs/{manifest['config']['digest']}").json()
            yield sum(layer["size"] for layer in manifest["layers"]), _architecture(config)

    def _get(self, path: str, *, missing: bool = False, **query: str) -> requests.Response:
        try:
            answer = self._session.get(
                f"{self._address.url}{path}",
                params=query,
                headers={"Accept": ", ".join(MANIFESTS)},
                timeout=TIMEOUT_S,
            )
            if not (missing and answer.status_code == requests.codes.not_found):
                answer.raise_for_status()
        except (requests.RequestException, OSError) as error:
            said = next((each.strerror for each in causes(error) if isinstance(each, OSError) and each.strerror), error)
            raise RegistryError(
                f"the registry at {self._address.url} does not answer: {said}",
                hint="Look at: systemctl status grape-registry.",
            ) from error
        return answer


def _architecture(config: dict[str, Any]) -> str:
    variant = config.get("variant") or ""
    return f"{config.get('architecture') or ''}{'/' + variant if variant else ''}"
