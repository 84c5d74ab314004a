"""A small Debian archive in a folder: made-up packages, as real files, for a real apt."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path


class Archive:
    """A flat repository; ``source`` is its line for apt. Every machine has ``base`` and ``usr-is-merged``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._stanzas: dict[str, str] = {}
        self.add("base", "1.0", "Essential: yes\nPriority: required\n")
        self.add("pam", "1:2.0~rc1+b2", "Priority: required\n")  # a version with all that is odd in file names
        self.add("usr-is-merged", "37")

    @property
    def source(self) -> str:
        return f"deb [trusted=yes] copy:{self.folder} ./\n"

    def add(self, name: str, version: str, fields: str = "") -> Path:
        """Make a package and list it; one with that name is replaced."""
        deb = build_deb(self.folder, name, version, fields)
        control = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        self._stanzas[name] = f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
        self._write()
        return deb

    def remove(self) -> None:
        """Take all files away, as a network that is gone does."""
        for path in self.folder.iterdir():
            path.unlink()

    def _write(self) -> None:
        text = "\n".join(self._stanzas.values())
        (self.folder / "Packages").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        head = "Date: Wed, 01 Jan 2025 00:00:00 UTC\nSHA256:\n"
        (self.folder / "Release").write_text(f"{head} {digest} {len(text.encode())} Packages\n")


def build_deb(folder: Path, name: str, version: str, fields: str = "") -> Path:
    """Make one package file."""
    tree = folder / f".{name}"
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Grape <grape@localhost>\n"
    (tree / "DEBIAN/control").write_text(f"{control}Description: made up\n{fields}")
    deb = folder / f"{name}_{version.partition(':')[2] or version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True, capture_output=True)
    subprocess.run(["rm", "-r", tree], check=True)
    return deb
