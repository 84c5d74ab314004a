"""The kernel server's lists: the file in exports.d, what ``exportfs -s`` prints. Pure.

Source: exports(5), exportfs(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graped.netboot.nfs.exports import Export

OWNED: Final = "# Written by graped: changes are lost.\n"
_PLAIN: Final = re.compile(rb"[A-Za-z0-9/._@+,:=-]")
_ROW: Final = re.compile(r"(?P<path>/\S*)\s+(?P<client>[^\s(]+)\((?P<options>[^)]*)\)")
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")

Entry = tuple[Path, str]  # a folder and a client
Table = dict[Entry, frozenset[str]]  # with its options


def options(export: Export) -> tuple[str, ...]:
    """Say how a folder is exported: root stays root, and it has an id of its own (overlays need one)."""
    mode = "ro" if export.read_only else "rw"
    return (mode, "sync", "no_subtree_check", "no_root_squash", f"fsid={export.fsid}")


def entry(export: Export) -> Entry:
    """Name an export as the table does."""
    return export.path, str(export.client)


def target(wanted: Entry) -> str:
    """Name an entry as the command line does: no shell, no quoting."""
    path, client = wanted
    return f"{client}:{path}"


def exports_file(exports: Iterable[Export]) -> str:
    """Render the file in exports.d."""
    rows = (f"{quoted(export.path)} {export.client}({','.join(options(export))})\n" for export in exports)
    return OWNED + "".join(rows)


def parse_table(text: str) -> Table:
    """Read what ``exportfs -s`` prints."""
    rows = (_ROW.fullmatch(line.strip()) for line in text.splitlines())
    return {
        (unquoted(row["path"]), row["client"]): frozenset(row["options"].split(","))
        for row in rows
        if row
    }  # fmt: skip


def quoted(path: Path) -> str:
    """Write a path for an exports file: each unusual byte as backslash and three octal digits."""
    raw = str(path).encode()
    return "".join(
        chr(byte) if _PLAIN.fullmatch(bytes([byte])) else f"\\{byte:03o}"
        for byte in raw
    )  # fmt: skip


def unquoted(text: str) -> Path:
    """Read a path as exports files and ``exportfs`` write it."""
    return Path(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), text.encode()).decode(errors="surrogateescape"))
