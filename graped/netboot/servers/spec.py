"""A server that graped needs, and what can be asked of whoever keeps it running."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """One server. ``argv`` keeps it in the foreground; ``unit`` is the same server where systemd keeps it."""

    name: str  # "dnsmasq": in messages
    argv: tuple[str, ...]
    unit: str  # "grape-dnsmasq.service"
    pid_file: Path  # graped's own record; no server writes it
    output: Path  # what it says on stdout and stderr, since its last start
    log: Path | None = None  # where it says more, if it keeps a log of its own
    reload_signal: signal.Signals = signal.SIGHUP


class Servers(Protocol):
    """Keep servers running that outlive graped. Blocking: call it in a worker thread."""

    def ensure(self, spec: ServerSpec, *, restart: bool = False) -> bool:
        """Have the server running (``restart``: anew); return whether it was started now.

        Cheap where nothing is to be done: call it every few seconds. Raises: ServerError where it cannot be started
        or dies again and again; the error has its last words.
        """
        ...

    def reload(self, spec: ServerSpec) -> None:
        """Have it read its files again. Raises: ServerError where it does not run."""
        ...

    def stop(self, spec: ServerSpec) -> None:
        """End it; one that does not run is fine. Raises: ServerError."""
        ...

    def running(self, spec: ServerSpec) -> int | None:
        """Its process id; None where it does not run."""
        ...

    def check(self, units: Iterable[str]) -> None:
        """Raise ServerError where servers could not be kept running at all; ``units`` are those of systemd."""
        ...
