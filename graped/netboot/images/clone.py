"""A writable copy of a version, to be changed: blocks are shared with it where the file system can."""

from __future__ import annotations

from pathlib import Path

from graped.errors import ServerError
from graped.files import remove_tree
from graped.netboot.images.copy import copy_tree
from graped.work import Work


def clone_tree(source: Path, target: Path, work: Work) -> None:
    """Copy ``source`` to ``target`` (not there, or empty) in the cheapest way. Raises as ``copy_tree``."""
    try:
        copy_tree(source, target, work, reflink=True)
    except ServerError:  # this file system shares no blocks: told at the first file
        remove_tree(target)
        copy_tree(source, target, work)
