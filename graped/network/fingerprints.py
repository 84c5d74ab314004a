"""How people tell host keys apart: fingerprints as OpenSSH shows them, and what is said of another key."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass


def fingerprint_of(public_key: str) -> str:
    """Digest a "type base64" key as OpenSSH does. Pure."""
    blob = base64.b64decode(public_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKey:
    """A host key that is not the pinned one, in words; fingerprints, "" where unknown."""

    pinned: str
    shown: str
    text: str


def other_key(pinned: tuple[str, ...], shown: str) -> OtherKey:
    """Compare a shown key with the pinned one of its type, else the first; ``shown`` "": of another type. Pure."""
    same = [key for key in pinned if shown and key.split()[0] == shown.split()[0]]
    old = fingerprint_of((same or list(pinned))[0]) if pinned else ""
    if not shown:
        text = f"its host keys are of other types than the pinned ones; pinned is {old}"
        return OtherKey(pinned=old, shown="", text=text)
    new = fingerprint_of(shown)
    return OtherKey(pinned=old, shown=new, text=f"its host key is not the pinned one: it shows {new}, pinned is {old}")
