"""TFTP folders on disk: made beside and swapped in by one rename, so that nobody boots from half a folder.

``tftp/<mac>`` is a link to a hidden folder beside it, and ``tftp/<serial>`` is one to ``<mac>``. dnsmasq holds open
what it sends, so a folder that is exchanged or removed disturbs no transfer that runs.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from graped.files import remove_tree, sync_folder
from graped.netboot.dhcp.access import Account, closed_to
from graped.netboot.tftp.plan import FolderPlan

LINGER_S: Final = 0.02  # who has just followed the link to a folder finds the file in it, before it goes


def apply_folder(tftp: Path, folder: FolderPlan) -> bool:
    """Have a node find exactly this; return whether anything changed. Idempotent, also after a crash."""
    tftp.mkdir(mode=0o755, parents=True, exist_ok=True)
    at = tftp / folder.name
    changed = not _is_current(tftp, at, folder)
    if changed:
        _point(at, _build(tftp, folder).name)
        sync_folder(tftp)
    if folder.serial and _target(tftp / folder.serial) != folder.name:
        _point(tftp / folder.serial, folder.name)
        changed = True
    stale = _stale(tftp, folder)
    if changed and stale:
        time.sleep(LINGER_S)
    for path in stale:
        remove_tree(path)
    return changed or bool(stale)


def remove_folder(tftp: Path, mac: str) -> bool:
    """Remove what a node booted from, and its serial's link; return whether there was anything."""
    name = mac.replace(":", "-")
    links = [path for path in _entries(tftp) if path.name == name or _target(path) == name]
    for path in links:
        path.unlink()
    hidden = [path for path in _entries(tftp) if path.name.startswith(f".{name}.")]
    for path in hidden:
        remove_tree(path)
    return bool(links or hidden)


def keep_only(tftp: Path, macs: Collection[str]) -> tuple[str, ...]:
    """Remove the folders of all nodes but these, and what a crash left; return the names of what went.

    Not while another thread applies a folder.
    """
    kept = {mac.replace(":", "-") for mac in macs}
    current = {_target(tftp / name) for name in kept}
    gone = [
        path for path in _entries(tftp) if _owner(path) not in kept or (_is_hidden(path) and path.name not in current)
    ]
    for path in gone:
        remove_tree(path)
    return tuple(path.name for path in gone if not _is_hidden(path))


def unreadable(tftp: Path, who: Account) -> tuple[str, ...]:
    """Return what the TFTP server, running as that account, could not read, each as ``path: what is closed``."""
    found: list[str] = []
    for folder in (path for path in _entries(tftp) if not _is_hidden(path) and path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if closed := closed_to(path, who):
                found.append(f"{path.relative_to(tftp)}: {closed}")
    return tuple(found)


def _prefix(folder: FolderPlan) -> str:
    """Begin the name of the folder behind the link: the node's, and a digest of the contents."""
    lines = [f"{name} -> {target}" for name, target in sorted(folder.links.items())]
    lines += [f"{name} = {text}" for name, text in sorted(folder.files.items())]
    return f".{folder.name}.{hashlib.sha256(chr(0).join(lines).encode()).hexdigest()[:12]}-"


def _build(tftp: Path, folder: FolderPlan) -> Path:
    built = Path(tempfile.mkdtemp(dir=tftp, prefix=_prefix(folder)))
    built.chmod(0o755)
    for name, target in folder.links.items():
        _room(built, name).symlink_to(target)
    for name, text in folder.files.items():
        path = _room(built, name)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        _sync_file(path)
    for inner in (path for path in built.rglob("*") if path.is_dir() and not path.is_symlink()):
        inner.chmod(0o755)
        sync_folder(inner)
    sync_folder(built)
    return built


def _room(built: Path, name: str) -> Path:
    """Return where a name goes, with the folders it lies in; never through a link, for we have just made them."""
    path = built / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_current(tftp: Path, at: Path, folder: FolderPlan) -> bool:
    """Whether a node finds all this already."""
    target = _target(at)
    if target is None or not target.startswith(_prefix(folder)):
        return False
    built = tftp / target
    try:
        return all(_target(built / name) == str(path) for name, path in folder.links.items()) and all(
            (built / name).read_text(encoding="utf-8") == text for name, text in folder.files.items()
        )
    except OSError:
        return False


def _point(link: Path, target: str) -> None:
    """Have a link point elsewhere, in one step."""
    draft = link.with_name(f".{link.name}.link")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    if link.is_dir() and not link.is_symlink():  # not ours, but in the way
        remove_tree(link)
    draft.rename(link)


def _stale(tftp: Path, folder: FolderPlan) -> list[Path]:
    """Return what this node had before."""
    current = _target(tftp / folder.name)
    return [
        path
        for path in _entries(tftp)
        if (path.name.startswith(f".{folder.name}.") and path.name != current)
        or (_target(path) == folder.name and path.name != folder.serial)
    ]


def _owner(path: Path) -> str:
    """Return the name (MAC address with dashes) of the node that an entry belongs to."""
    if _is_hidden(path):
        return path.name[1:].partition(".")[0]
    target = _target(path)
    return target if target and not target.startswith(".") else path.name


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _target(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _entries(tftp: Path) -> list[Path]:
    try:
        return sorted(tftp.iterdir())
    except FileNotFoundError:
        return []


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
