"""What can be asked of an NFS server, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from graped.netboot.nfs.exports import Export


class NfsBackend(Protocol):
    """One NFS server of the master. Blocking: call it in a worker thread, one call at a time."""

    def apply(self, exports: Sequence[Export]) -> list[str]:
        """Export exactly this, and return what changed, for people. Clients of what stays notice nothing.

        When it returns, what is no longer exported is no longer held open either: it may be unmounted. Starts the
        server where it does not run. Raises: ServerError.
        """
        ...

    def ensure(self) -> list[str]:
        """Heal what died and return what was done; cheap: call it every few seconds. Raises: ServerError."""
        ...

    def check(self, exports: Sequence[Export]) -> list[str]:
        """Return what is wrong, one sentence each; changes nothing."""
        ...

    def stop(self) -> None:
        """End what graped has started. Raises: ServerError."""
        ...
