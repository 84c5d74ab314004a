"""Servers as detached processes, where there is no systemd: they outlive graped and are adopted at its next start."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.netboot.servers import launch, own_unit, record
from graped.netboot.servers.record import Record
from graped.netboot.servers.spec import ServerSpec
from graped.netboot.servers.words import last_words
from graped.runner import Runner

LAUNCH_S: Final = 20.0  # a Pi that is out of memory starts a Python slowly
SETTLE_S: Final = 0.3  # a server that cannot bind its port has ended by then
STOP_S: Final = 10.0  # dnsmasq needs milliseconds, Ganesha a few seconds
STEADY_S: Final = 60.0  # who ran so long has not died "again"
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


@dataclass(slots=True)
class _Trouble:
    """How often a server died in a row, and when it may be started again (monotonic)."""

    deaths: int = 0
    started: float | None = None
    not_before: float = 0.0
    words: str = ""


class ProcessServers:
    """See :class:`~graped.netboot.servers.spec.Servers`. Threads take turns."""

    def __init__(
        self,
        runner: Runner,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        settle_s: float = SETTLE_S,
        stop_s: float = STOP_S,
    ) -> None:
        self._runner = runner
        self._monotonic = monotonic
        self._settle_s = settle_s
        self._stop_s = stop_s
        self._troubles: dict[str, _Trouble] = {}
        self._turn = threading.RLock()

    def ensure(self, spec: ServerSpec, *, restart: bool = False) -> bool:
        """Have it running with this very ``argv``; a server that dies at once is tried with growing pauses."""
        with self._turn:
            found = self._alive(spec)
            if found is not None and found.argv == spec.argv and not restart:
                return False
            if found is not None or restart:
                self.stop(spec)
            else:
                self._note_death(spec)
            self._start(spec)
            return True

    def reload(self, spec: ServerSpec) -> None:
        """Send its reload signal."""
        with self._turn:
            if not self._send(spec, spec.reload_signal):
                raise ServerError(f"{spec.name} does not run, so it cannot read its files again", server=spec.name)

    def stop(self, spec: ServerSpec) -> None:
        """Ask it to end, and end it where it does not."""
        with self._turn:
            for kind in (signal.SIGTERM, signal.SIGKILL):
                if self._send(spec, kind, wait_s=self._stop_s):
                    break
            if self._alive(spec) is not None:
                raise ServerError(f"{spec.name} does not end, even when killed", server=spec.name)
            self._troubles.pop(spec.name, None)
            spec.pid_file.unlink(missing_ok=True)

    def running(self, spec: ServerSpec) -> int | None:
        """Its process id."""
        found = self._alive(spec)
        return found.pid if found else None

    def check(self, units: Iterable[str]) -> None:
        """See whether they would end with graped."""
        del units
        own_unit.check(self._runner)

    def _alive(self, spec: ServerSpec) -> Record | None:
        found = record.read(spec.pid_file)
        if found is None:
            return None
        if record.is_alive(found):
            return found
        _reap(found)
        return None

    def _send(self, spec: ServerSpec, kind: signal.Signals, *, wait_s: float | None = None) -> bool:
        """Signal that very process; return whether it ran (with ``wait_s``: whether it ended, or was gone)."""
        found = record.read(spec.pid_file)
        try:
            descriptor = os.pidfd_open(found.pid) if found else None
        except ProcessLookupError:
            descriptor = None
        if found is None or descriptor is None:
            return wait_s is not None
        try:
            if not record.is_alive(found):  # looked at after the descriptor is held: now it cannot be another one
                return wait_s is not None
            signal.pidfd_send_signal(descriptor, kind)
            return wait_s is None or _ended(descriptor, wait_s)
        finally:
            os.close(descriptor)
            if wait_s is not None:
                _reap(found)

    def _note_death(self, spec: ServerSpec) -> None:
        """Count a death since the last start; hold back while a pause runs. Raises: ServerError."""
        trouble = self._troubles.setdefault(spec.name, _Trouble())
        now = self._monotonic()
        if trouble.started is not None:
            steady = now - trouble.started >= STEADY_S
            trouble.deaths = 1 if steady else trouble.deaths + 1
            trouble.words = last_words(spec)
            trouble.not_before = now + (0.0 if steady or trouble.deaths == 1 else _pause_s(trouble.deaths))
            trouble.started = None
        if now < trouble.not_before:
            raise ServerError(
                f"{spec.name} died {trouble.deaths} times in a row{trouble.words}; "
                f"next try in {trouble.not_before - now:.0f} s",
                hint=f"See {spec.log or spec.output}.",
                server=spec.name,
            )

    def _start(self, spec: ServerSpec) -> None:
        for folder in {spec.pid_file.parent, spec.output.parent}:
            folder.mkdir(parents=True, exist_ok=True)
        spec.pid_file.unlink(missing_ok=True)
        argv = (sys.executable, "-I", "-S", str(Path(launch.__file__)), str(spec.pid_file), str(spec.output))
        try:
            self._runner.run((*argv, *spec.argv), timeout_s=LAUNCH_S)
        except CommandFailed as error:
            raise ServerError(f"{spec.name} cannot be started: {error.detail}", hint=error.hint) from error
        self._troubles.setdefault(spec.name, _Trouble()).started = self._monotonic()
        self._settle(spec)

    def _settle(self, spec: ServerSpec) -> None:
        """Wait until a server that cannot work would have ended. Raises: ServerError."""
        found = self._alive(spec)
        if found is not None and not _ends_within(found.pid, self._settle_s):
            return
        self._alive(spec)  # takes leave of it
        raise ServerError(
            f"{spec.name} ended as soon as it was started{last_words(spec)}",
            hint=f"See {spec.log or spec.output}.",
            server=spec.name,
        )


def _ends_within(pid: int, wait_s: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return _ended(descriptor, wait_s)
    finally:
        os.close(descriptor)


def _ended(descriptor: int, wait_s: float) -> bool:
    """Wait for the end of the process behind a pidfd."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def _pause_s(deaths: int) -> float:
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 10))


def _reap(found: Record) -> None:
    """Take leave of a dead server that is our own child: so it is where graped itself is the init of a container."""
    seen = record.look(found.pid)
    if seen and seen.parent == os.getpid() and seen.started_ticks == found.started_ticks and seen.state in record.ENDED:
        try:
            os.waitpid(found.pid, os.WNOHANG)
        except ChildProcessError:
            pass
