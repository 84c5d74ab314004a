"""Keys of the first Grape daemon: a file that has them still loads, with one warning each.

``netboot.active`` is a key of both. Where it is true beside old keys of the same table and neither the new interface
nor the new address is said, the file is one of the first daemon: netbooting is left off, and a warning says why.
"""

from __future__ import annotations

from typing import Any, Final

from graped.config.findings import Findings, Path

_SECTIONS: Final[dict[str, dict[str, str]]] = {
    "rest_server": {"port": "not used: graped is reached through a Unix socket, see api.socket"},
    "cluster": {
        "ssh_username": "not used: see ssh.user",
        "ssh_password": "not used: nodes are reached with the cluster's own SSH key, see ssh.authorized_keys; remove "
        "the password from this file",
    },
    "netboot": {
        "boot_dir": "not used: TFTP folders are made below netboot.folder",
        "netboot_ip": "not used: see netboot.address, with its network (10.77.0.1/24)",
        "base_boot_dir": "not used: boot files come from the image, see netboot.image",
        "nfs_dir": "not used: roots are made below netboot.folder",
        "base_nfs_dir": "not used: roots are made from an image, see netboot.image and grapecli image import",
    },
}
LEGACY_SECTIONS: Final = frozenset({"rest_server"})  # nothing but legacy keys in them
_LEFT_OFF: Final = (
    "left off: the keys beside it are of the first Grape daemon; set netboot.interface and netboot.address to netboot"
)


def without_legacy(tree: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the tree without the old keys; warn about each, and tell unknown keys among them."""
    rest = dict(tree)
    for section, known in _SECTIONS.items():
        table = rest.get(section)
        if not isinstance(table, dict):
            continue
        old = [key for key in known if key in table]
        for key in old:
            findings.warn((section, key), known[key])
        rest[section] = {key: value for key, value in table.items() if key not in known}
        if section in LEGACY_SECTIONS:
            _only_legacy((section,), rest.pop(section), tuple(known), findings)
        elif section == "netboot" and old and _of_the_first_daemon(rest[section]):
            rest[section]["active"] = False
            findings.warn((section, "active"), _LEFT_OFF)
    return rest


def _of_the_first_daemon(netboot: dict[str, Any]) -> bool:
    return netboot.get("active") is True and "interface" not in netboot and "address" not in netboot


def _only_legacy(path: Path, table: dict[str, Any], known: tuple[str, ...], findings: Findings) -> None:
    for key in table:
        findings.unknown((*path, key), known)
