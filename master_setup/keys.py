"""Public SSH keys that nodes accept: of the one who calls sudo, or of a file."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from graped.errors import GrapeError
from master_setup import accounts
from master_setup.machine import Machine

FILE_LIMIT_BYTES: Final = 64_000
_KIND: Final = re.compile(
    r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$"
)


class BadKeys(GrapeError):
    """There is no key where one was expected."""

    code = "bad_keys"
    title = "No public SSH key"


def from_file(path: str) -> tuple[str, ...]:
    """Return the public keys of a file that the administrator named; none for "". Raises BadKeys where it has none."""
    if not path:
        return ()
    try:
        found = merged(_keys(_text(Path(path), follow=True)))
    except OSError as error:
        raise BadKeys(f"cannot read {path}: {error.strerror}", hint="Give a file with public keys.") from None
    if not found:
        raise BadKeys(f"there is no public SSH key in {path}", hint="Give a .pub file, or an authorized_keys file.")
    return found


def of_user(machine: Machine, name: str) -> tuple[str, ...]:
    """Return the public keys in a user's ``~/.ssh/*.pub``; none where there are none.

    The folder is the user's own, and root reads here: what is no regular file, or no key, is passed over.
    """
    home = accounts.home(machine, name) if name else None
    if home is None:
        return ()
    found: list[str] = []
    for each in machine.names(f"{home}/.ssh"):
        if each.endswith(".pub"):
            try:
                found += _keys(_text(machine.path(f"{home}/.ssh/{each}")))
            except OSError:
                continue
    return merged(found)


def merged(*lists: Iterable[str]) -> tuple[str, ...]:
    """Return all keys once, in order; two are one where they differ in their comment alone."""
    kept: dict[str, str] = {}
    for key in (each for some in lists for each in some):
        kept.setdefault(" ".join(key.split()[:2]), key)
    return tuple(kept.values())


def _text(path: Path, *, follow: bool = False) -> str:
    """Read a regular file; a pipe would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return stream.read(FILE_LIMIT_BYTES).decode(errors="replace")


def _keys(text: str) -> Iterator[str]:
    """Find the keys; options before a key (``from=...``) are left out: they would not mean the same on a node."""
    for line in text.splitlines():
        words = line.split() if not line.lstrip().startswith("#") else []
        for at, word in enumerate(words[:-1]):
            if _KIND.match(word) and _is_blob(words[at + 1], word):
                comment = re.sub(r"[^\w@.+ -]", "", " ".join(words[at + 2 :]), flags=re.ASCII)
                yield " ".join([word, words[at + 1], comment]).strip()
                break


def _is_blob(text: str, kind: str) -> bool:
    """Tell whether a key's second word says the same as its first (RFC 4253, 6.6)."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length] == kind.encode()
