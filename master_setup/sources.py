"""The files of the source tree that Grape's wheel is made of."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from graped.errors import ConfigError

DATE = 1_767_225_600  # 2026-01-01, the time of every file in what we build: the same source gives the same bytes
FILES = ("pyproject.toml", "README.md", "LICENSE", "config.toml")
PACKAGES = ("graped", "grapecli", "grape_docker", "master_setup")
_PASSED_OVER = frozenset({"__pycache__", ".mypy_cache"})
_VERSION = re.compile(r'^(version|__version__) = "([^"]+)"$', re.MULTILINE)
_SAYS_VERSION = (Path("pyproject.toml"), Path("graped/__init__.py"))


def version_of(source: Path) -> str:
    """Read the version of a source tree."""
    found = _VERSION.search((source / "pyproject.toml").read_text())
    if not found:
        raise ConfigError(f"{source / 'pyproject.toml'} says no version")
    return found[2]


def digest(source: Path, version: str = "") -> str:
    """Sum up what :func:`copy` would copy."""
    total = hashlib.sha256(f"{DATE} {version}".encode())
    for path in files(source):
        content = (source / path).read_bytes()
        total.update(f"\0{path}\0{mode_of(source / path)}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def copy(source: Path, tree: Path, version: str = "") -> None:
    """Copy the files into a new ``tree``, so that building leaves nothing in the source; say ``version`` there."""
    for path in files(source):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, tree / path)
        (tree / path).chmod(mode_of(source / path))
    for path in _SAYS_VERSION:
        (tree / path).write_bytes(with_version(path, (tree / path).read_bytes(), version))


def mode_of(path: Path) -> int:
    """Return the mode that a file of the source has wherever it was checked out, whatever the umask there."""
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def with_version(path: Path, content: bytes, version: str) -> bytes:
    """Return a file's bytes; where it is one that says the version, with ``version`` unless that is ""."""
    if not version or path not in _SAYS_VERSION:
        return content
    return _VERSION.sub(rf'\1 = "{version}"', content.decode(), count=1).encode()


def files(source: Path) -> Iterator[Path]:
    """Yield each file, relative to ``source``, in a fixed order."""
    for name in FILES:
        if (source / name).is_file():
            yield Path(name)
    for package in PACKAGES:
        for path in sorted((source / package).rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and not _PASSED_OVER & set(relative.parts) and path.suffix != ".pyc":
                yield relative
