"""One path of the machine as a value: what is there, put there, brought back."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graped.files import remove_tree, sync_folder
from master_setup.machine import Machine
from master_setup.record import Memory, digest

TEMPORARY: Final = "grape-setup"  # ends the name of what is being written: a killed run's is found by the next
FOLDER_MODE: Final = 0o755


def found(path: Path) -> dict[str, Any]:
    """Describe what is at a path: ``kind`` none, file, link, folder or other, and what it takes to make it again."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "none"}
    about = {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
    if stat.S_ISLNK(status.st_mode):
        return {"kind": "link", "target": os.readlink(path), **about}
    if stat.S_ISDIR(status.st_mode):
        return {"kind": "folder", **about}
    if not stat.S_ISREG(status.st_mode):
        return {"kind": "other", **about}
    return {"kind": "file", "digest": digest(path.read_bytes()), "mtime_ns": status.st_mtime_ns, **about}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Compare two descriptions, but for the time of the last change."""
    return {**one, "mtime_ns": 0} == {**other, "mtime_ns": 0}


def put(path: Path, data: bytes, *, mode: int, owner: tuple[int, int] | None, mtime_ns: int | None = None) -> None:
    """Write a file whole, with mode, owner (uid, gid) and perhaps time, by a rename; what was at the path goes."""
    temporary = path.parent / f".{path.name}.{TEMPORARY}"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        if owner is not None:
            os.fchown(stream.fileno(), *owner)
        os.fchmod(stream.fileno(), mode)  # after the owner: chown takes setuid away
        if mtime_ns is not None:
            os.utime(stream.fileno(), ns=(mtime_ns, mtime_ns))
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def put_link(path: Path, target: str) -> None:
    """Make a symbolic link, by a rename; what was at the path goes."""
    temporary = path.parent / f".{path.name}.{TEMPORARY}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
    sync_folder(path.parent)


def owner_of(machine: Machine, about: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the owner of a description, for :func:`put`; None for an ordinary user, who cannot set one."""
    return (about["uid"], about["gid"]) if machine.can_chown else None


def make_parents(path: Path, top: Path) -> None:
    """Make the folders that lead to a path."""
    for folder in reversed(missing_parents(path, top)):
        (top / folder.lstrip("/")).mkdir(FOLDER_MODE)
        (top / folder.lstrip("/")).chmod(FOLDER_MODE)


def missing_parents(path: Path, top: Path) -> list[str]:
    """Return the folders that are not there yet, as paths of the machine, the deepest first."""
    missing = []
    folder = path.parent
    while folder != top and not folder.exists():
        missing.append(f"/{folder.relative_to(top)}")
        folder = folder.parent
    return missing


def remember(machine: Machine, memory: Memory, name: str) -> None:
    """Have the memory keep what is at ``name``, a file's bytes included, and which folders are missing."""
    path = machine.path(name)
    about = found(path)
    if about["kind"] == "file":
        memory.keep(path.read_bytes())
    memory.remember({**about, "folders": missing_parents(path, machine.root)})


def bring_back(machine: Machine, memory: Memory, name: str) -> None:
    """Make what was remembered of ``name`` be there again, and take away folders that we made and that are empty."""
    path, was = machine.path(name), memory.was
    (path.parent / f".{path.name}.{TEMPORARY}").unlink(missing_ok=True)
    if same({**found(path), "folders": was["folders"]}, was):
        pass
    elif was["kind"] == "none":
        remove_tree(path)
    elif was["kind"] == "file":
        make_parents(path, machine.root)
        put(path, memory.kept(was["digest"]), mode=was["mode"], owner=owner_of(machine, was), mtime_ns=was["mtime_ns"])
    elif was["kind"] == "link":
        make_parents(path, machine.root)
        put_link(path, was["target"])
    remove_empty(machine, was["folders"])


def remove_empty(machine: Machine, folders: list[str]) -> None:
    """Remove folders that we made, the deepest first, as far as they are empty."""
    for folder in folders:
        try:
            machine.path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return
