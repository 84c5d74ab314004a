"""Logins on nodes, kept for a while: a Pi needs half a second for each. Borrowed by any thread.

A kept one goes when its node lost its power, its address, user or pinned keys became others, somebody else was seen
to answer there, something went wrong on it, or nobody used it for ``KEPT_S``. It has proved the host key of back then,
so before each use the node is asked whether its SSH server is still the one that took the login, and its key files are
as they were; where that cannot be told, it is logged in anew, and the node has to prove its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from graped.errors import CommandFailed, CommandTimeout, HostKeyChanged, SshError
from graped.model import Power, SlotId
from graped.network.ssh_client import Endpoint, Session, connect
from graped.operate.house import House

KEPT_S: Final = 60.0
LOOK_S: Final = 1.0
ANSWER_S: Final = 3.0  # a node that is there answers at once
# Above our shell are sshd's processes: of the login (two, where it gave up root for a user), then who listens. One that
# was started anew is not above us.
_SAME_SERVER: Final = """\
above=0 pid=$PPID
while read -r _ name _ parent _ </proc/$pid/stat; do
    case $name in "(sshd"*) ;; *) break ;; esac
    above=$((above + 1)) pid=$parent
done
[ $above -ge {processes} ] && [ -z "$(find /etc/ssh -name 'ssh_host_*' -mmin -{minutes})" ]
"""


@dataclass(slots=True, eq=False)
class _Kept:
    endpoint: Endpoint
    session: Session
    users: int = 1
    made: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    gone: bool = False  # not to be borrowed any more; closed by its last user


class Sessions:
    """One daemon's. ``log_in`` is exchanged by tests."""

    def __init__(self, house: House, log_in: Callable[..., Session] = connect) -> None:
        self._house = house
        self._log_in = log_in
        self._lock = threading.Lock()
        self._kept: dict[SlotId, _Kept] = {}
        house.access.changed_keys.told = self.drop

    async def run(self) -> None:
        """Let go of what is not used, until cancelled; then of all."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                self._sweep(time.monotonic())
        finally:
            for slot in tuple(self._kept):
                self.drop(slot)

    @contextlib.contextmanager
    def borrow(self, slot: SlotId, timeout_s: float) -> Iterator[Session]:
        """Lend a login on a node, kept or new, made within ``timeout_s``; several may use one at the same time.

        Blocks. Raises: SshError (NodeOff, Untrusted, HostKeyChanged, SshRefused, SshDenied, SshTimeout, SshFailed).
        """
        kept = self._taken(slot, timeout_s)
        try:
            yield kept.session
        except (SshError, CommandTimeout):
            self._forget(slot, kept)
            raise
        finally:
            self._given_back(kept)

    def drop(self, slot: SlotId) -> None:
        """Keep no login on a node; who uses one may go on."""
        with self._lock:
            kept = self._kept.get(slot)
        if kept is not None:
            self._forget(slot, kept)

    def _taken(self, slot: SlotId, timeout_s: float) -> _Kept:
        deadline = time.monotonic() + timeout_s
        endpoint = self._house.access.reachable(slot)
        kept = self._found(slot, endpoint)
        if kept is not None:
            if self._is_there(kept, timeout_s):
                return kept
            self._forget(slot, kept)
            self._given_back(kept)
        try:
            left_s = max(0.1, deadline - time.monotonic())
            session = self._log_in(endpoint, self._house.access.keys.cluster_key(), timeout_s=left_s)
        except HostKeyChanged as error:
            self._house.access.changed_keys.met(slot, str(error.fields.get("key") or ""))
            raise
        fresh = _Kept(endpoint, session)
        with self._lock:
            if slot in self._kept:
                fresh.gone = True  # somebody else was faster: this one is used once
            else:
                self._kept[slot] = fresh
        return fresh

    def _found(self, slot: SlotId, endpoint: Endpoint) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(slot)
            if kept is not None and kept.endpoint == endpoint:
                kept.users += 1
                return kept
        if kept is not None:
            self._forget(slot, kept)
        return None

    def _is_there(self, kept: _Kept, timeout_s: float) -> bool:
        """Whether the node is there, and its SSH server the one that took the login."""
        if not kept.session.alive:
            return False
        script = _SAME_SERVER.format(
            processes=2 if kept.endpoint.user == "root" else 3, minutes=int((time.monotonic() - kept.made) // 60) + 1
        )
        line = f"exec sh -c {shlex.quote(script)}"
        try:
            kept.session.run(line, timeout_s=min(ANSWER_S, timeout_s / 2), what="a look at its SSH server")
        except (SshError, CommandFailed):
            return False
        return True

    def _forget(self, slot: SlotId, kept: _Kept) -> None:
        with self._lock:
            if self._kept.get(slot) is kept:
                del self._kept[slot]
            kept.gone = True
            close = kept.users == 0
        if close:
            _close(kept.session)

    def _given_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.heard = time.monotonic()
            close = kept.gone and kept.users == 0
        if close:
            _close(kept.session)

    def _sweep(self, now: float) -> None:
        slots = self._house.state.slots
        with self._lock:
            found = tuple(self._kept.items())
        for slot, kept in found:
            at = slots.get(slot)
            off = at is None or at.observed is Power.OFF
            idle = not kept.users and now - kept.heard >= KEPT_S
            if off or idle or not kept.session.alive:
                self._forget(slot, kept)


def _close(session: Session) -> None:
    """Hang up beside everything else: paramiko waits for its own thread, and the event loop may be who asks."""
    threading.Thread(target=session.close, name=f"end of {session.endpoint.name}", daemon=True).start()
