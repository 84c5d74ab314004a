"""Come to trust a node that brings host keys of its own: look at its key, then log in once and leave ours there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from graped.errors import SshDenied
from graped.network.authorized import let_in
from graped.network.ssh_client import Endpoint, connect
from graped.network.ssh_keys import fingerprint_of
from graped.network.ssh_probe import Found, probe

LOGIN_S: Final = 15.0


class KeyState(StrEnum):
    """How the key that a host shows compares with what is pinned."""

    NEW = "new"  # none is pinned
    SAME = "same"
    CHANGED = "changed"
    SILENT = "silent"  # it shows none


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The host key that somebody shows at an address; ``why`` says what keeps us from seeing one."""

    state: KeyState
    key: str = ""  # "type base64"
    fingerprint: str = ""
    why: str = ""


def look(address: str, port: int, pinned: tuple[str, ...], timeout_s: float) -> Shown:
    """Ask a host for its key; blocks for at most about twice ``timeout_s``. Nobody logs in."""
    if pinned:
        found = probe(address, port, pinned, timeout_s)
        if found.up:
            return Shown(state=KeyState.SAME, key=found.key, fingerprint=fingerprint_of(found.key))
        if found.found not in (Found.WRONG_KEY, Found.OTHER_KEY):
            return Shown(state=KeyState.SILENT, why=found.error)
    found = probe(address, port, (), timeout_s)
    if not found.up:
        return Shown(state=KeyState.SILENT, why=found.error)
    state = KeyState.CHANGED if pinned else KeyState.NEW
    return Shown(state=state, key=found.key, fingerprint=fingerprint_of(found.key))


def leave_keys(endpoint: Endpoint, key: Path, keys: Sequence[str], *, user: str, password: str | None) -> bool:
    """Log in as ``endpoint.user`` with ``key`` or ``password``, and have ``user`` let ``keys`` in.

    Returns whether one was missing. ``key`` is proved at the end: whoever has it can log in as ``user``.
    Raises: SshError (SshDenied: neither is good there, or there is no way to become ``user``), CommandFailed.
    """
    with connect(endpoint, key, timeout_s=LOGIN_S, password=password) as session:
        added = let_in(session, keys, user=user, password=password)
    try:
        connect(replace(endpoint, user=user), key, timeout_s=LOGIN_S).close()
    except SshDenied as error:
        raise SshDenied(
            f"{endpoint.name}: its SSH server does not let {user} in with a key that was put there",
            hint=f"Allow it (PermitRootLogin prohibit-password in sshd_config), or set ssh.user to {endpoint.user}.",
            node=endpoint.name,
        ) from error
    return added
