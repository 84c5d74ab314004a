"""The SSH keys of the cluster: our own, those of the nodes, and what others may know of them.

``cryptography`` (which paramiko is built on) writes OpenSSH's own format; paramiko makes no ed25519 keys.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graped.files import remove_tree, sync_folder, write_atomic
from graped.network.client_keys import ClientKeys
from graped.network.fingerprints import fingerprint_of as fingerprint_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

SSH_PORT: Final = 22
HOST_KEY_KINDS: Final = ("ed25519", "ecdsa")  # the second for an SSH without the first; RSA takes a Pi seconds to make
CLUSTER_KEY: Final = "cluster_key"
KNOWN_HOSTS: Final = "known_hosts"
PINNED: Final = "pinned"
HEADER: Final = "# Written by graped: changes are lost.\n"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNode:
    """Whom a line of ``known_hosts`` is about: the name whose keys are pinned, and where they are met."""

    name: str
    addresses: tuple[IPv4Address, ...] = ()
    aliases: tuple[str, ...] = ()  # more names, e.g. with the domain
    port: int = SSH_PORT


class KeyRing:
    """All keys below one folder. Only graped writes it; private halves are 0600, ``known_hosts`` is for everybody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hosts = folder / "hosts"
        self._lock = threading.Lock()
        self._clients = ClientKeys(folder / "clients")

    def recover(self) -> tuple[str, ...]:
        """Remove half-made keys; call at the start, when nobody makes any. Return the names of what was removed."""
        found = sorted(self._hosts.glob(".partial-*")) if self._hosts.is_dir() else []
        for path in found:
            remove_tree(path)
        return tuple(path.name for path in found)

    def cluster_key(self) -> Path:
        """The private key by which graped logs in on nodes; made at the first call. ``.pub`` is beside it."""
        with self._lock:
            path = self._open_folder() / CLUSTER_KEY
            if not path.exists():
                _write_pair(path, "ed25519", "grape cluster")
            elif not _public(path).exists():  # a crash between the two
                _write_public(path, "grape cluster")
            return path

    def cluster_public_key(self) -> str:
        """The line for ``authorized_keys`` of the nodes."""
        return _public(self.cluster_key()).read_text().strip()

    def host_keys(self, node: str) -> Path:
        """The folder with a node's ``ssh_host_*_key`` files, made at the first call and kept for ever.

        A node that gets a new root keeps them, so that nobody is asked about a changed key. A pin of other keys ends
        with it: the node now shows these. Raises ValueError.
        """
        with self._lock:
            path = self._host_folder(node)
            self._pin_of(node).unlink(missing_ok=True)
            if not path.exists():
                self._make_host_keys(path, node)
            return path

    def pin(self, node: str, keys: tuple[str, ...]) -> bool:
        """Trust a node that brings host keys of its own: "type base64" each; return whether anything changed.

        Raises ValueError where one is no public key.
        """
        for key in keys:
            if not _is_public(key):
                raise ValueError(f"not a public key: {key!r}")
        with self._lock:
            path = self._pin_of(node)
            self._open_folder()
            path.parent.mkdir(mode=0o755, exist_ok=True)
            return write_atomic(path, "".join(f"{key}\n" for key in keys))

    @property
    def clients(self) -> ClientKeys:
        """The keys of programs that log in by their own."""
        return self._clients

    def public_keys(self, node: str) -> tuple[str, ...]:
        """The pinned keys of a node as "type base64", the one to show first; () where none are pinned."""
        with contextlib.suppress(FileNotFoundError):
            return tuple(self._pin_of(node).read_text().splitlines())
        found = (_public(self._host_folder(node) / _file_of(kind)) for kind in HOST_KEY_KINDS)
        return tuple(" ".join(path.read_text().split()[:2]) for path in found if path.exists())

    def version(self) -> tuple[int, ...]:
        """A value that differs when host keys were made, pinned or forgotten: both folders change by renames alone."""
        folders = (self._hosts, self._folder / PINNED)
        return tuple(folder.stat().st_mtime_ns if folder.exists() else 0 for folder in folders)

    def fingerprint(self, node: str) -> str:
        """How a person compares a node's key, as OpenSSH shows it: "SHA256:..."; "" where none is pinned."""
        keys = self.public_keys(node)
        return fingerprint_of(keys[0]) if keys else ""

    def forget(self, node: str) -> None:
        """Drop a node's keys: the next ones are new."""
        with self._lock:
            path = self._host_folder(node)
            self._pin_of(node).unlink(missing_ok=True)
            gone = self._hosts / f".partial-{secrets.token_hex(4)}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(path, gone)  # never half the keys
                sync_folder(self._hosts)
                remove_tree(gone)

    @property
    def known_hosts(self) -> Path:
        """The file for ``ssh -o UserKnownHostsFile``; written by :meth:`write_known_hosts`."""
        return self._folder / KNOWN_HOSTS

    def write_known_hosts(self, nodes: Iterable[KnownNode]) -> bool:
        """Write the pinned keys of all nodes for everybody; return whether anything changed."""
        text = known_hosts_text(nodes, self.public_keys)
        with self._lock:
            return write_atomic(self._open_folder() / KNOWN_HOSTS, text)

    def _open_folder(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o755)  # known_hosts is read by everybody, whatever our umask is
        return self._folder

    def _pin_of(self, node: str) -> Path:
        return self._folder / PINNED / self._host_folder(node).name

    def _host_folder(self, node: str) -> Path:
        if not _NAME.fullmatch(node):
            raise ValueError(f"not a node's name: {node!r}")
        return self._hosts / node

    def _make_host_keys(self, path: Path, node: str) -> None:
        """Make all keys in a folder beside, then give it its name: all of them or none, whenever we are killed."""
        self._open_folder()
        self._hosts.mkdir(mode=0o700, exist_ok=True)
        partial = self._hosts / f".partial-{secrets.token_hex(4)}"
        partial.mkdir(mode=0o700)
        try:
            for kind in HOST_KEY_KINDS:
                _write_pair(partial / _file_of(kind), kind, f"root@{node}")
            os.rename(partial, path)
        except BaseException:
            remove_tree(partial)
            raise
        sync_folder(self._hosts)


def known_hosts_text(nodes: Iterable[KnownNode], keys_of: Callable[[str], tuple[str, ...]]) -> str:
    """Render ``known_hosts``. Pure; nodes without a pinned key are left out. Source: sshd(8), SSH_KNOWN_HOSTS."""
    lines = [HEADER]
    for node in nodes:
        places = [node.name, *node.aliases, *(str(address) for address in node.addresses)]
        if node.port != SSH_PORT:
            places = [f"[{place}]:{node.port}" for place in places]
        lines += [f"{','.join(places)} {key}\n" for key in keys_of(node.name)]
    return "".join(lines)


def _is_public(key: str) -> bool:
    """Say whether this is "type base64" whose two halves agree. Source: RFC 4253, 6.6."""
    kind, _, data = key.partition(" ")
    try:
        blob = base64.b64decode(data, validate=True)
    except ValueError:
        return False
    return bool(kind) and blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _file_of(kind: str) -> str:
    return f"ssh_host_{kind}_key"


def _public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _write_pair(path: Path, kind: str, comment: str) -> None:
    """Write the private half, then the public one: from the first the second can be made again."""
    from cryptography.hazmat.primitives import serialization as form

    key = _new_key(kind)
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    write_atomic(path, private, mode=0o600)
    _write_public(path, comment)


def _write_public(path: Path, comment: str) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_ssh_private_key(path.read_bytes(), password=None)
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    write_atomic(_public(path), f"{public.decode()} {comment}\n")


def _new_key(kind: str) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    match kind:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1())
    raise ValueError(f"no such kind of key: {kind}")
