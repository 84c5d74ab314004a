"""Names of images: how Docker reads them, and where they lie in the cluster's registry (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grape_docker.registry.errors import BadName

HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*")
HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
PATH_MAX_CHARS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Where an image lies in the registry. Source: github.com/distribution/reference, grammar in reference.go.

    Docker asks a mirror for ``redis:7`` under ``library/redis``; a name with a host of its own loses the host.
    """

    path: str
    tag: str = "latest"

    @property
    def short(self) -> str:
        """Return the name that people write where the registry is a mirror: ``redis:7``, ``me/app:1``."""
        return f"{self.path.removeprefix('library/')}:{self.tag}"

    def at(self, host: str) -> str:
        """Return the full name at a registry: ``10.77.0.1:5000/library/redis:7``."""
        return f"{host}/{self.path}:{self.tag}"


def parse(text: str, *, registry: str = "") -> Name:
    """Read ``[HOST/]PATH[:TAG]``; ``registry``: our own ``host:port``, under which a path is taken as it stands.

    Raises BadName; also for names by digest, which cannot be pushed.
    """
    rest, host = text, ""
    first, slash, others = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, rest = first, others
    path, _, tag = rest.partition(":")
    if "@" in text:
        raise BadName(f"{text} names an image by its digest", hint="Name it by a tag, such as app:1.")
    if not host or host in HUB:
        path = path if "/" in path else f"library/{path}"
    tag = tag if ":" in rest else "latest"
    if host and not HOST.fullmatch(host):
        raise BadName(f"{text!r} begins with {host!r}, which is no registry", hint="As in registry.example:5000/app:1.")
    if len(path) > PATH_MAX_CHARS or not PATH.fullmatch(path) or not TAG.fullmatch(tag):
        raise BadName(f"{text!r} is not the name of an image", hint="Small letters, as in app:1 or team/app:1.")
    return Name(path=path, tag=tag)
