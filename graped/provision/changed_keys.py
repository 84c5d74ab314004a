"""Nodes at whose address somebody shows a host key that is not the pinned one: told once, until it is settled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol

from graped.model import SlotId
from graped.network.fingerprints import other_key
from graped.network.ssh_client import Endpoint


class Journal(Protocol):
    """The event log."""

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object: ...


class ChangedKeys:
    """Belongs to the event loop's thread, but for ``met``. ``told`` is called with each node whose key changed."""

    def __init__(self, endpoint: Callable[[SlotId], Endpoint], journal: Journal) -> None:
        self._endpoint = endpoint
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._seen: dict[SlotId, str] = {}
        self.told: Callable[[SlotId], None] = lambda _: None

    def met(self, slot: SlotId, shown: str) -> None:
        """Take what somebody met who wanted to log in ("type base64", "" unknown); in any thread."""
        at = self._endpoint(slot)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.seen, slot, at.name, at.host_keys, shown)

    def seen(self, slot: SlotId, name: str, pinned: tuple[str, ...], shown: str) -> None:
        """Tell of it, once for each key. A key of another type may not have been shown: ``shown`` is "" then."""
        if slot in self._seen and shown in ("", self._seen[slot]):
            return
        self._seen[slot] = shown
        what = other_key(pinned, shown)
        text = f"{name}: {what.text}; nothing is done on it until its key is accepted: grapecli node trust {name}"
        fields = {"pinned": what.pinned, "shown": what.shown}
        self._journal.append("node.host_key_changed", text, node=name, fields=fields)
        self.told(slot)

    def settled(self, slot: SlotId) -> None:
        """Tell of the next one again: the pinned key was proved, or another one is pinned."""
        self._seen.pop(slot, None)
