"""What makes a copy of an image one particular node: names, keys, mounts. Written into trees that are not trusted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath
from typing import Final

from graped.netboot.blocks import with_block
from graped.netboot.roots.own_files import Inside

_MACHINE_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HOST_KEY: Final = re.compile(r"ssh_host_[a-z0-9]+_key(\.pub)?", re.ASCII)
_OWN_NAME: Final = "127.0.1.1"  # Debian's address for a host's own name; see its reference, 5.1.1
TIMESYNCD: Final = "etc/systemd/timesyncd.conf.d/grape.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One node. ``host_keys`` is a folder with its ``ssh_host_*_key`` files and their public halves."""

    hostname: str
    domain: str
    machine_id: str  # 32 hex digits
    master: IPv4Address
    host_keys: Path | None = None
    authorized_keys: tuple[str, ...] = ()
    fstab: tuple[str, ...] = ()  # Grape's lines
    ntp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalFile:
    """One file of a node: what it is to contain, and who may read it."""

    content: bytes
    mode: int = 0o644
    folder_mode: int = 0o755


def personalise(root: Path, identity: Identity, *, base: Path | None = None) -> tuple[str, ...]:
    """Write a node's files into a root; return their names.

    What a file has besides Grape's lines is taken from ``base`` (default: the root itself), so that the files of a
    node without a writable root can be written elsewhere.

    Raises BadImage where the tree has something in the way; nothing outside it is ever touched.
    """
    target = Inside(root)
    files = _files_on(base or root, identity)
    for name, file in files.items():
        target.write(name, file.content, mode=file.mode, folder_mode=file.folder_mode)
    return tuple(files)


def stamps(image: Path, identity: Identity) -> dict[str, str]:
    """Tell how a node's files look on an image when nobody has changed them: path -> stamp, "" for their folders."""
    files = _files_on(image, identity)
    folders = {str(parent): "" for name in files for parent in PurePosixPath(name).parents if parent.name}
    return folders | {name: stamp(file.content, file.mode) for name, file in files.items()}


def personal_files(identity: Identity, read: Callable[[str], bytes]) -> dict[str, PersonalFile]:
    """Say what a node's files contain; ``read`` gives what the image has of them (b"" for nothing)."""
    if not _MACHINE_ID.fullmatch(identity.machine_id):
        raise ValueError("a machine id has 32 hex digits")

    def lines(name: str, block: tuple[str, ...], text: str | None = None) -> bytes:
        before = read(name).decode(errors="surrogateescape") if text is None else text
        return with_block(before, block).encode(errors="surrogateescape")

    files = {
        "etc/hostname": PersonalFile(content=f"{identity.hostname}\n".encode()),
        "etc/hosts": PersonalFile(content=lines("etc/hosts", _hosts(identity), _without_own_name(read("etc/hosts")))),
        "etc/machine-id": PersonalFile(content=f"{identity.machine_id}\n".encode(), mode=0o444),
        "etc/fstab": PersonalFile(content=lines("etc/fstab", identity.fstab)),
        "root/.ssh/authorized_keys": PersonalFile(
            content=lines("root/.ssh/authorized_keys", identity.authorized_keys), mode=0o600, folder_mode=0o700
        ),
    }
    if identity.ntp:
        text = f"# written by graped\n[Time]\nNTP={' '.join(identity.ntp)}\n"
        files[TIMESYNCD] = PersonalFile(content=text.encode())
    return files | _host_keys(identity.host_keys)


def stamp(content: bytes, mode: int, uid: int = 0, gid: int = 0) -> str:
    """Name a file's content and attributes: another stamp means that somebody has changed it."""
    return f"{mode:04o} {uid}:{gid} {hashlib.sha256(content).hexdigest()}"


def _files_on(base: Path, identity: Identity) -> dict[str, PersonalFile]:
    tree = Inside(base)
    return personal_files(identity, lambda name: tree.read(name) or b"")


def _hosts(identity: Identity) -> tuple[str, ...]:
    names = [identity.hostname]
    if identity.domain:
        names.insert(0, f"{identity.hostname}.{identity.domain}")
    master = f"master.{identity.domain} master" if identity.domain else "master"
    return (f"{_OWN_NAME}\t{' '.join(names)}", f"{identity.master}\t{master}")


def _without_own_name(hosts: bytes) -> str:
    """Take out the name of whoever the image was made on."""
    lines = hosts.decode(errors="surrogateescape").splitlines() or ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
    return "\n".join(line for line in lines if line.split()[:1] != [_OWN_NAME])


def _host_keys(folder: Path | None) -> dict[str, PersonalFile]:
    found = sorted(folder.iterdir()) if folder else []
    return {
        f"etc/ssh/{path.name}": PersonalFile(content=path.read_bytes(), mode=0o644 if path.suffix else 0o600)
        for path in found
        if _HOST_KEY.fullmatch(path.name)
    }
