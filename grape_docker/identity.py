"""grape_docker's own SSH key: made once, readable by its user alone; graped puts its public half on nodes."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from graped.errors import GrapeError
from graped.files import write_atomic

KEY = "ssh/id_ed25519"


class KeyUnusable(GrapeError):
    """Our own key is there and is none. It is never replaced by itself: nodes know it."""

    code = "key_unusable"
    title = "grape_docker's SSH key cannot be read"


def ensure_key(room: Path) -> Path:
    """Return the private key's path; made where there is none. Raises: OSError, KeyUnusable."""
    path = room / KEY
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_atomic(path, made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), mode=0o600)
    public_line(path)
    if path.stat().st_mode & 0o077:
        os.chmod(path, 0o600)
    return path


def public_line(path: Path, comment: str = "grape_docker") -> str:
    """Return the public half as a line of ``authorized_keys``. Raises: OSError, KeyUnusable."""
    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise KeyUnusable(f"{path}: {error}", hint="Remove it and restart grape_docker: it makes another.") from error
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {comment}"
