"""Keys of the first Grape daemon: a file that has them still loads, with one warning each."""

from __future__ import annotations

from typing import Any, Final

from graped.config.findings import Findings, Path

_NETBOOT: Final = "not used: this version serves no network boot; it will be set up by netboot.* in a later one"
_SSH: Final = "not used: nodes will be reached with the cluster's own SSH key, set up by ssh.* in a later version"
_SECTIONS: Final[dict[str, dict[str, str]]] = {
    "rest_server": {"port": "not used: graped is reached through a Unix socket, see api.socket"},
    "cluster": {"ssh_username": _SSH, "ssh_password": f"{_SSH}; remove the password from this file"},
    "netboot": dict.fromkeys(
        ("active", "boot_dir", "netboot_ip", "base_boot_dir", "nfs_dir", "base_nfs_dir"), _NETBOOT
    ),
}
LEGACY_SECTIONS: Final = frozenset({"rest_server", "netboot"})  # nothing but legacy keys in them


def without_legacy(tree: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the tree without the old keys; warn about each, and tell unknown keys among them."""
    rest = dict(tree)
    for section, known in _SECTIONS.items():
        table = rest.get(section)
        if not isinstance(table, dict):
            continue
        for key in [key for key in known if key in table]:
            findings.warn((section, key), known[key])
        rest[section] = {key: value for key, value in table.items() if key not in known}
        if section in LEGACY_SECTIONS:
            _only_legacy((section,), rest.pop(section), tuple(known), findings)
    return rest


def _only_legacy(path: Path, table: dict[str, Any], known: tuple[str, ...], findings: Findings) -> None:
    for key in table:
        findings.unknown((*path, key), known)
