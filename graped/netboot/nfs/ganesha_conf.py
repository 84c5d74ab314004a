"""The files of NFS-Ganesha, rendered. Pure. Source: ganesha-core-config(8), ganesha-export-config(8), version 4.3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.netboot.nfs.exports import KIND_SHIFT, NODE_SHIFT, Export, Kind, by_path

NFS_PORT: Final = 2049
MOUNT_PORT: Final = 20048
OWNED: Final = "# Written by graped: changes are lost.\n"
TOLD: Final = "# export: "
ROOT_IDS: Final = 256  # generations of one node before an Export_Id comes again
NODES: Final = 97  # numbers of nodes are 1-96
FIRST_VOLUME: Final = NODES * ROOT_IDS
FIRST_PRIVATE: Final = FIRST_VOLUME + NODES
FIRST_IMAGE: Final = FIRST_PRIVATE + NODES
LAST_ID: Final = 65_535


def core(address: IPv4Address, recovery: Path) -> str:
    """Render what holds for all clients; a change of it needs a restart.

    NLM is off because a node's root is its own, ``mount_path_pseudo`` because NFSv3 clients mount by real path,
    kerberos because it would ask for keys. ``PrivilegedPort`` keeps a node's ordinary users out, as the kernel's
    server does.
    """
    return f"""{OWNED}NFS_CORE_PARAM {{
    Protocols = 3, 4;
    Bind_addr = {address};
    NFS_Port = {NFS_PORT};
    MNT_Port = {MOUNT_PORT};
    Enable_NLM = false;
    Enable_RQUOTA = false;
    mount_path_pseudo = false;
}}
NFSV4 {{
    Graceless = true;
    Only_Numeric_Owners = true;
    RecoveryBackend = fs;
    RecoveryRoot = {_quoted(recovery)};
}}
NFS_KRB5 {{
    Active_krb5 = false;
}}
LOG {{
    Default_Log_Level = EVENT;
    Components {{ DBUS = NULL; TIRPC = CRIT; }}
}}
EXPORT_DEFAULTS {{
    Access_Type = None;
    Squash = No_Root_Squash;
    SecType = sys;
    Transports = TCP;
    Protocols = 3, 4;
    PrivilegedPort = true;
}}
%include exports.conf
"""


def exports_file(exports: Iterable[Export]) -> str:
    """Render all exports; a change is taken over by SIGHUP, which leaves unchanged ones alone."""
    folders = by_path(exports)
    ids = export_ids({path: group[0].fsid for path, group in folders.items()})
    return OWNED + "".join(_block(ids[path], path, group) for path, group in folders.items())


def changes(before: str, after: str) -> list[str]:
    """Tell in words what one export file has that the other has not."""
    old, new = _told(before), _told(after)
    gone = [f"no longer exports {export}" for export in old if export not in new]
    return gone + [f"exports {export}" for export in new if export not in old]


def export_ids(fsids: Mapping[Path, int]) -> dict[Path, int]:
    """Give each folder a number of 16 bits; it is in every file handle, so it depends on the ``fsid`` alone.

    Image versions share what nodes leave over. Where two of them meet (once in thousands), the later path moves on.
    """
    taken: dict[int, Path] = {}
    for path in sorted(fsids, key=str):
        number = _export_id(fsids[path])
        while number in taken:
            number = number + 1 if number < LAST_ID else FIRST_IMAGE
        taken[number] = path
    return {path: number for number, path in taken.items()}


def _export_id(fsid: int) -> int:
    node = (fsid >> NODE_SHIFT) & 0xFF
    match Kind(fsid >> KIND_SHIFT):
        case Kind.ROOT:
            return node * ROOT_IDS + fsid % ROOT_IDS
        case Kind.VOLUME:
            return FIRST_VOLUME + node
        case Kind.PRIVATE:
            return FIRST_PRIVATE + node
        case Kind.IMAGE:
            digest = hashlib.sha256(fsid.to_bytes(4, "big")).digest()
            return FIRST_IMAGE + int.from_bytes(digest[:4], "big") % (LAST_ID + 1 - FIRST_IMAGE)


def _told(text: str) -> list[str]:
    """Read the exports off the comments of an export file."""
    return [line.removeprefix(TOLD) for line in text.splitlines() if line.startswith(TOLD)]


def _block(number: int, path: Path, group: tuple[Export, ...]) -> str:
    words = "".join(f"{TOLD}{export}\n" for export in group)
    clients = "".join(
        f"    CLIENT {{ Clients = {export.client}; Access_Type = {'RO' if export.read_only else 'RW'}; }}\n"
        for export in group
    )
    return f"""{words}EXPORT {{
    Export_Id = {number};
    Filesystem_Id = {group[0].fsid}.1;
    Path = {_quoted(path)};
    Pseudo = {_quoted(path)};
{clients}    FSAL {{ Name = VFS; }}
}}
"""


def _quoted(path: Path) -> str:
    """Quote a path. Raises ValueError for one with a control character, which no quoting can carry."""
    text = str(path)
    if any(ord(char) < 32 for char in text):
        raise ValueError(f"not a path for an export: {text!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
