"""Where dnsmasq's files are below the netboot folder. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import ServerError

# What neither a dnsmasq option nor a kernel command line takes for anything else than a part of a path.
_PLAIN: Final = re.compile(r"/[A-Za-z0-9_./@+-]*")


@dataclass(frozen=True, slots=True)
class Layout:
    """``folder`` is ``NetPlan.folder``."""

    folder: Path

    @property
    def own(self) -> Path:
        """Everything of dnsmasq's but the TFTP files."""
        return self.folder / "dnsmasq"

    @property
    def config(self) -> Path:
        """The main file: read at a start only."""
        return self.own / "dnsmasq.conf"

    @property
    def hosts(self) -> Path:
        """One reservation a node; watched by dnsmasq."""
        return self.own / "hosts"

    @property
    def names(self) -> Path:
        """One DNS name a node; watched by dnsmasq."""
        return self.own / "names"

    @property
    def leases(self) -> Path:
        """Who got an address; written by dnsmasq."""
        return self.own / "leases"

    @property
    def log(self) -> Path:
        """What happened on the wire; written by dnsmasq."""
        return self.own / "log"

    @property
    def tftp(self) -> Path:
        """One folder a node, by its MAC address."""
        return self.folder / "tftp"


def plain(path: Path) -> str:
    """Return a path as it may stand in a configuration file or on a command line. Raises: ServerError."""
    if not _PLAIN.fullmatch(str(path)):
        raise ServerError(
            f"cannot serve from {path}: the path has a character that boot loaders take for something else",
            hint="Choose a netboot.folder of letters, digits and /._@+- only.",
        )
    return str(path)
