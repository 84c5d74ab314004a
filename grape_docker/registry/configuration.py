"""The configuration of Debian's docker-registry 2.8, as text (pure). JSON is YAML; a comment says whose it is.

Source: docs/configuration.md of github.com/docker/distribution 2.8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grape_docker.registry.place import Address, Place

LOG = {"level": "warn", "accesslog": {"disabled": True}}
HEADER = "# Written by grape_docker registry prepare; changes are lost.\n"


def serving(place: Place, address: Address) -> str:
    """Render what nodes pull from: by TLS, and read-only, because nodes are not trusted to fill it."""
    return _rendered(
        storage={
            **_storage(place.data),
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
        http={
            "addr": address.text,
            "tls": {"certificate": str(place.certificate), "key": str(place.key), "minimumtls": "tls1.2"},
            "headers": {"X-Content-Type-Options": ["nosniff"]},
        },
    )


def writing(place: Place, *, port: int, secret: str, passwords: Path) -> str:
    """Render what the master pushes to, on its loopback, for a moment; ``passwords``: an htpasswd file."""
    return _rendered(
        storage={**_storage(place.data), "maintenance": {"uploadpurging": {"enabled": False}}},
        http={"addr": f"127.0.0.1:{port}", "secret": secret, "headers": {"X-Content-Type-Options": ["nosniff"]}},
        auth={"htpasswd": {"realm": "grape", "path": str(passwords)}},
    )


def _storage(data: Path) -> dict[str, Any]:
    """No cache: two processes share the files, and one of them removes some."""
    return {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}}


def _rendered(**parts: Mapping[str, Any]) -> str:
    return HEADER + json.dumps({"version": 0.1, "log": LOG, **parts}, indent=2) + "\n"
