"""The contract about a look at a node: how far it answers. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SshRung = Literal["none", "refused", "silent", "banner", "wrong_key", "trusted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLook:
    """How far a node answers, rung by rung; null: it was not asked for that, or nobody can tell.

    ``ssh``: ``none`` no connection, ``refused``, ``silent`` connected and nothing was said, ``banner`` SSH without a
    key to compare, ``wrong_key`` not the pinned one, ``trusted`` the pinned one. ``text`` is all of it in one line.
    """

    name: str
    link: bool | None = None
    ping: bool | None = None
    ssh: SshRung | None = None
    command: bool | None = None
    text: str = ""
