"""Our files in the state folder: what is remembered of nodes, and how things stand for ``grape_docker status``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grape_docker.core import memory
from grape_docker.model import Known
from graped.files import write_atomic

log = logging.getLogger("grape_docker")

KNOWN = "known.json"
STATUS = "status.json"
LOCK = "grape_docker.lock"  # held by the daemon; who only wants to know whether it runs may read it


def load_known(room: Path) -> Known:
    """Read what is remembered; nothing where there is no file, or none that can be read: nodes are looked at anew."""
    return memory.load(_load(room / KNOWN))


def save_known(room: Path, known: Known) -> None:
    """Write what is remembered, whole. Raises: OSError."""
    _save(room / KNOWN, memory.dump(known), sync=True)


def load_status(room: Path) -> dict[str, Any]:
    """Read how things stood when the daemon last wrote it; {} where it never did."""
    return _load(room / STATUS)


def save_status(room: Path, status: Mapping[str, Any]) -> None:
    """Write how things stand. Raises: OSError."""
    _save(room / STATUS, status, sync=False)  # it is made anew at each start


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s is not used: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


def _save(path: Path, value: Mapping[str, Any], *, sync: bool) -> None:
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n", sync=sync)
