"""Pings of the whole room: one socket for many nodes, in a thread; that this machine may not ping is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Final

from graped.core.events import DaemonFault, Event
from graped.errors import PingForbidden
from graped.network.ping import Pinger, ping

AT_ONCE: Final = 8
Answers = Mapping[IPv4Address, float | None]


class Pings:
    """Ask nodes by ping; made in the event loop's thread."""

    def __init__(self, post: Callable[[Event], None], pinger: Pinger = ping) -> None:
        self._post = post
        self._ping = pinger
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ping")
        self._told = ""

    async def ask(
        self, addresses: Iterable[IPv4Address], *, timeout_s: float, tries: int, pause_s: float
    ) -> Answers | None:
        """Return seconds by address, None for a silent one; None for all where this machine may not ping."""
        wanted = tuple(addresses)

        def work() -> Answers:  # in a thread
            return self._ping(wanted, timeout_s=timeout_s, tries=tries, pause_s=pause_s)

        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except PingForbidden as error:
            self._tell(error.detail, error.hint)
        except OSError as error:
            self._tell(f"pings cannot be sent: {error.strerror or error}", "")
        else:
            self._tell("", "")
            return found
        return None

    def _tell(self, message: str, hint: str) -> None:
        if message != self._told:
            self._told = message
            self._post(DaemonFault(code="ping", message=message, hint=hint))
