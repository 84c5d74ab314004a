"""What a Docker engine needs to trust the registry and to ask it first for plain names such as ``redis:7`` (pure)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from grape_docker.registry.errors import BadDaemonJson, RegistryError
from grape_docker.registry.place import Address, Place, read_address

DAEMON_JSON = PurePosixPath("/etc/docker/daemon.json")
CERTS_DIR = PurePosixPath("/etc/docker/certs.d")
MIRRORS = "registry-mirrors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The registry, as a node has to know it. Nothing here is secret."""

    address: Address
    ca_pem: str

    @property
    def ca_path(self) -> PurePosixPath:
        """Where Docker looks for the CA of this registry, at each pull: no reload is needed for it."""
        return CERTS_DIR / self.address.text / "ca.crt"

    @property
    def mirror(self) -> str:
        """The entry of ``registry-mirrors``; Docker takes it after a reload (SIGHUP), without a restart."""
        return self.address.url


def read_trust(place: Place) -> Trust:
    """Return what nodes have to be told. Raises NoRegistry, RegistryError."""
    address = read_address(place)
    try:
        return Trust(address=address, ca_pem=place.ca_certificate.read_text())
    except OSError as error:
        raise RegistryError(f"cannot read {place.ca_certificate}: {error.strerror}") from error


def with_mirror(text: str, mirror: str, *, former: tuple[str, ...] = ()) -> str | None:
    """Return the text of a daemon.json with our mirror first, all else kept; None where nothing has to change.

    ``text``: "" where there is no file. ``former``: URLs our registry had before; they go.
    Raises BadDaemonJson where it is not what Docker reads.
    """
    found = _parsed(text)
    mirrors = _mirrors(found)
    wanted = [mirror, *(each for each in mirrors if _bare(each) not in {_bare(mirror), *map(_bare, former)})]
    if wanted == [mirror if _bare(each) == _bare(mirror) else each for each in mirrors]:
        return None
    return _rendered({**found, MIRRORS: wanted})


def without_mirror(text: str, mirror: str) -> str | None:
    """Return the text of a daemon.json without our mirror; None where it is not in it. Raises BadDaemonJson."""
    found = _parsed(text)
    mirrors = _mirrors(found)
    wanted = [each for each in mirrors if _bare(each) != _bare(mirror)]
    if wanted == mirrors:
        return None
    # An empty list stays: at a reload dockerd forgets no mirror where the file does not name the key.
    return _rendered({**found, MIRRORS: wanted})


def _parsed(text: str) -> dict[str, object]:
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadDaemonJson(
            f"{DAEMON_JSON} is not JSON: {error}", hint="Correct it by hand; Docker cannot read it."
        ) from error
    if not isinstance(found, dict):
        raise BadDaemonJson(f"{DAEMON_JSON} is not an object", hint="Correct it by hand; Docker cannot read it.")
    return found


def _mirrors(found: dict[str, object]) -> list[str]:
    mirrors = found.get(MIRRORS) or []
    if not isinstance(mirrors, list) or not all(isinstance(each, str) for each in mirrors):
        raise BadDaemonJson(f"{MIRRORS} in {DAEMON_JSON} is not a list of URLs", hint="Correct it by hand.")
    return mirrors


def _bare(url: str) -> str:
    return url.rstrip("/")


def _rendered(found: dict[str, object]) -> str:
    return json.dumps(found, indent=2) + "\n"
