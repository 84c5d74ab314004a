"""Everything that docker-registry needs before it starts: CA, certificate, configuration, folders. Idempotent."""

from __future__ import annotations

import grp
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grape_docker.registry import certificates, configuration
from grape_docker.registry.certificates import Pair
from grape_docker.registry.errors import RegistryError
from grape_docker.registry.place import DATA_MODE, INNER_MODE, Address, Place, write_address
from graped.files import write_atomic

GROUP = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What was made anew, in words, and until when the certificate is valid."""

    changed: tuple[str, ...]
    until: datetime


def prepare(place: Place, address: Address, *, now: datetime | None = None, name: str = "") -> Prepared:
    """Make what is missing, stale or for another address; a CA that is still good stays, since nodes trust it.

    ``name``: the master's, for people; a SIGKILL at any point leaves what the next call repairs. Raises RegistryError.
    """
    moment = now or datetime.now(UTC)
    try:
        return _prepared(place, address, moment, name or socket.gethostname())
    except OSError as error:
        raise RegistryError(
            f"cannot prepare the registry in {place.folder}: {error.strerror}: {error.filename}",
            hint="The user grape-docker has to own this folder.",
        ) from error


def _prepared(place: Place, address: Address, now: datetime, name: str) -> Prepared:
    changed = []
    _check_user(place)
    _folders(place)
    ca = _read(place.ca_certificate, place.ca_key)
    if ca is None or not certificates.ca_serves(ca, now):
        ca = certificates.make_ca(name, now)
        _write(place.ca_certificate, place.ca_key, ca)
        changed.append("CA")
    hosts = (address.host, *(each for each in (name,) if each != address.host))
    pair = _read(place.certificate, place.key)
    if pair is None or not certificates.server_serves(pair, ca, hosts, now):
        pair = certificates.make_server(ca, hosts, now)
        _write(place.certificate, place.key, pair)
        changed.append("certificate")
    if write_atomic(place.config, configuration.serving(place, address)):
        changed.append("configuration")
    if write_address(place, address):
        changed.append("address")
    return Prepared(changed=tuple(changed), until=certificates.ends(pair))


def _check_user(place: Place) -> None:
    """Raise RegistryError for root in the folder of another user, who could not read what root writes."""
    above = next(each for each in (place.folder, *place.folder.parents) if each.exists())
    owner = above.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        raise RegistryError(
            f"{above} belongs to user {owner}, and not to root",
            hint="Let the unit do it: systemctl restart grape-registry.",
        )


def _folders(place: Place) -> None:
    place.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for path in (place.data, place.repositories):  # a registry that has no folder at all answers with errors
        path.mkdir(parents=True, exist_ok=True)
    _share(place.data, DATA_MODE)
    for path in _between(place.data, place.repositories):
        _share(path, INNER_MODE)
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    os.close(descriptor)
    _share(place.lock, 0o660)


def _between(above: Path, below: Path) -> list[Path]:
    return [below, *(each for each in below.parents if above in each.parents)]


def _share(path: Path, mode: int) -> None:
    """Give a path to the group docker, where there is one and we may; only its owner can."""
    status = path.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return
    try:
        group = grp.getgrnam(GROUP).gr_gid
        if status.st_gid != group:
            os.chown(path, -1, group)
    except (KeyError, PermissionError):
        pass  # without the group, only this user and root push
    os.chmod(path, mode)


def _read(certificate: Path, key: Path) -> Pair | None:
    try:
        return Pair(certificate=certificate.read_bytes(), key=key.read_bytes())
    except FileNotFoundError:
        return None


def _write(certificate: Path, key: Path, pair: Pair) -> None:
    """Write the key first: a certificate without its key is found not to belong, and made anew."""
    write_atomic(key, pair.key, mode=0o600)
    write_atomic(certificate, pair.certificate)
