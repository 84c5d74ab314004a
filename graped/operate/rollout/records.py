"""Rollouts on disk: ``<state>/rollouts/ID.json``, written anew at each step. All of it blocks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from graped.core.rollout_types import Rollout
from graped.errors import NotFound
from graped.files import sync_folder, write_atomic

log = logging.getLogger("graped.rollouts")

KEPT: Final = 50  # older ones go
_ADAPTER: Final = TypeAdapter(Rollout)


class Records:
    """Those of one daemon. One that cannot be read is passed over, and stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, rollout: Rollout) -> None:
        """Write how a rollout stands; when this returns, it is on the disk."""
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        write_atomic(self._folder / f"{rollout.id}.json", _ADAPTER.dump_json(rollout, indent=1), mode=0o600)

    def all(self) -> tuple[Rollout, ...]:
        """Read all, the oldest first."""
        found = (self._read(number) for number in self._numbers())
        return tuple(one for one in found if one is not None)

    def get(self, number: int) -> Rollout:
        """Read one. Raises: NotFound."""
        found = self._read(number)
        if found is None:
            raise NotFound(f"there is no rollout {number}", hint="grapecli image rollouts lists them.")
        return found

    def of_job(self, number: int) -> Rollout:
        """Read the one that a job has driven: its id is that of its first job. Raises: NotFound."""
        found = self._read(number) or next((one for one in self.all() if number in one.jobs), None)
        return found or self.get(number)

    def prune(self) -> None:
        """Let old ones go."""
        for number in self._numbers()[:-KEPT]:
            (self._folder / f"{number}.json").unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.json") if path.stem.isdecimal())

    def _read(self, number: int) -> Rollout | None:
        path = self._folder / f"{number}.json"
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            log.warning("%s cannot be read as a rollout; it is passed over", path)
            return None
