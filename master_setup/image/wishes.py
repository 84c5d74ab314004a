"""What was asked for of a master's image, judged before anything is built. Pure but for the files that are named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import RequestError

HOSTNAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123
USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,30}")  # useradd(8)
ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+){0,2}")
COUNTRY: Final = re.compile(r"[A-Z]{2}")
PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
SIZE: Final = re.compile(r"(\d+)([MG])")
UNITS: Final = {"M": 1024**2, "G": 1024**3}
KEY: Final = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """A master's image as somebody wants it."""

    user: str
    ssh_keys: tuple[str, ...] = ()  # lines of authorized_keys
    password: str = ""  # never in argv, never printed
    hostname: str = "master"
    interface: str = ""  # the cluster's; "": set up later
    address: str = ""  # of the master on it, with the length of its network
    timezone: str = "Etc/UTC"
    wifi_country: str = ""
    packages: tuple[str, ...] = ()  # added to the list
    full: bool = True  # which list
    kernel: str = "linux-image-arm64"
    suite: str = "bookworm"
    size_bytes: int | None = None  # None: as small as it may be

    def __repr__(self) -> str:
        """Show what may be shown."""
        return f"Wishes(hostname={self.hostname!r}, user={self.user!r})"


def check(wishes: Wishes) -> None:
    """Refuse what would give a system that does not work. Raises: RequestError."""
    for pattern, value, what in (
        (HOSTNAME, wishes.hostname, "host name"),
        (USER, wishes.user, "user name"),
        (ZONE, wishes.timezone, "time zone"),
        (COUNTRY, wishes.wifi_country or "DE", "country of two capitals"),
        *((PACKAGE, name, "package name") for name in (*wishes.packages, wishes.kernel)),
    ):
        if not pattern.fullmatch(value):
            raise RequestError(f"{value!r} is no {what}")
    if wishes.user == "root":
        raise RequestError("the user root takes no logins", hint="Name another: it may use sudo.")
    if not wishes.ssh_keys and not wishes.password:
        raise RequestError(
            "nobody could log in: there is no default password", hint="Give --ssh-key FILE or --password-file FILE."
        )
    if bool(wishes.interface) != bool(wishes.address):
        raise RequestError("--interface and --address belong together", hint="--interface eth0 --address 10.77.0.1/24")


def size(text: str) -> int:
    """Read a size as people write it: 4G, 2500M. Raises: RequestError."""
    found = SIZE.fullmatch(text)
    if not found:
        raise RequestError(f"{text!r} is no size", hint="Write 4G or 2500M.")
    return int(found[1]) * UNITS[found[2]]


def read_keys(path: Path) -> tuple[str, ...]:
    """Read public keys. Raises: RequestError; also for a private key, which belongs into no image."""
    text = _read(path)
    if "PRIVATE KEY" in text:
        raise RequestError(f"{path} is a private key", hint=f"Name the public one: {path}.pub.")
    keys = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for key in keys:
        if not KEY.fullmatch(key):
            raise RequestError(f"{path} has a line that is no public SSH key")
    if not keys:
        raise RequestError(f"{path} has no public SSH key")
    return keys


def read_password(path: Path) -> str:
    """Read a password: the first line of a file. Raises: RequestError."""
    password = _read(path).partition("\n")[0].rstrip("\r")
    if not password or not password.isprintable():
        raise RequestError(f"the first line of {path} is no password")
    return password


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
