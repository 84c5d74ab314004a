"""The contract of SSH: how nodes are met, whose keys they accept. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HostKeyWord = Literal["new", "same", "changed", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSsh:
    """How a node is met by SSH. ``why`` says why nobody should log in there (no address, no pinned key), else ""."""

    name: str
    address: str | None
    port: int
    user: str
    host_keys: tuple[str, ...]  # "type base64", the pinned ones; () none
    fingerprint: str  # of the first one, as OpenSSH shows it; "" none
    trusted: bool
    why: str = ""
    known_hosts: str = ""  # the file on the master with the pinned keys of all nodes, for ssh


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """A program that logs in on nodes by a key of its own: every new root accepts it."""

    name: str
    public_key: str  # "type base64 comment"
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """The host key that a node shows now, against the one that is pinned. Nobody has decided anything yet."""

    name: str
    address: str | None
    state: HostKeyWord  # none pinned; as pinned; another one; it shows none
    fingerprint: str = ""  # as OpenSSH shows it: "SHA256:..."
    pinned: str = ""  # the fingerprint that is pinned
    lets_us_in: bool = False  # the cluster's key is good there already: no password is needed
    why: str = ""  # why it shows none
