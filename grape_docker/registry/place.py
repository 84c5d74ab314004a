"""Where the registry keeps what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from grape_docker.registry.errors import NoRegistry, RegistryError
from graped.files import write_atomic

STATE_DIR = Path("/var/lib/grape-docker")
DATA_MODE = 0o2770  # of the folder of all images: its owner hands them out, its group fills it, nobody else gets in
INNER_MODE = (
    0o2775  # of folders in it: whoever of the group made one, the others change it, and the owner of all reads it
)
PREPARE_HINT = "Set docker.registry = true and start it: systemctl start grape-registry."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The registry's folder. All but the two keys may be read by everybody."""

    folder: Path = STATE_DIR / "registry"

    @property
    def ca_certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def config(self) -> Path:
        return self.folder / "config.yml"

    @property
    def address_file(self) -> Path:
        return self.folder / "address.json"

    @property
    def lock(self) -> Path:
        """Held shared by who writes images, alone by who sweeps up what is not used any more."""
        return self.folder / "data.lock"

    @property
    def data(self) -> Path:
        """Writable by the group docker, whose members rule this machine's Docker anyway."""
        return self.folder / "data"

    @property
    def repositories(self) -> Path:
        return self.data / "docker/registry/v2/repositories"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where nodes reach the registry."""

    host: str
    port: int = 5000

    @property
    def text(self) -> str:
        """Return it as in names of images: ``10.77.0.1:5000``; IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return its URL, without a slash at the end."""
        return f"https://{self.text}"


def write_address(place: Place, address: Address) -> bool:
    """Note the address for those who have no configuration; return whether it changed."""
    return write_atomic(place.address_file, json.dumps({"host": address.host, "port": address.port}) + "\n")


def read_address(place: Place) -> Address:
    """Return the address that the registry was prepared for.

    Raises NoRegistry where it never was, RegistryError where that cannot be read.
    """
    try:
        found = json.loads(place.address_file.read_text())
        return Address(host=str(found["host"]), port=int(found["port"]))
    except FileNotFoundError:
        raise NoRegistry(f"no registry was prepared in {place.folder}", hint=PREPARE_HINT) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"cannot read {place.address_file}: {error}", hint="Run this as root.") from error
