"""Public keys of programs that log in on nodes by a key of their own, such as grape_docker: ``clients/<name>.pub``."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Final

from graped.files import sync_folder, write_atomic

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}", re.ASCII)
_SUFFIX: Final = ".pub"


class ClientKeys:
    """All of them below one folder. Every new root accepts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def all(self) -> dict[str, str]:
        """Name -> line for ``authorized_keys`` ("type base64 comment"), by name."""
        found = sorted(self._folder.glob(f"[!.]*{_SUFFIX}")) if self._folder.is_dir() else []
        return {path.name.removesuffix(_SUFFIX): path.read_text().strip() for path in found}

    def set(self, name: str, public_key: str) -> bool:
        """Keep a client's key, a valid line without options; return whether anything changed. Raises: ValueError."""
        path = self._path(name)
        words = public_key.split(maxsplit=2)
        with self._lock:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            comment = words[2] if len(words) > 2 else name
            return write_atomic(path, f"{words[0]} {words[1]} {comment}\n")

    def remove(self, name: str) -> bool:
        """Forget a client; return whether there was one. Nodes that have its key keep it. Raises: ValueError."""
        with self._lock:
            try:
                self._path(name).unlink()
            except FileNotFoundError:
                return False
            sync_folder(self._folder)
            return True

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a client's name: {name!r}")
        return self._folder / f"{name}{_SUFFIX}"
