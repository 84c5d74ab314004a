"""Look for other DHCP servers on the nodes' network: before ours starts, and every ten minutes after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from graped.clock import Clock
from graped.config.types import Config
from graped.netboot.dhcp.rival import find_rivals
from graped.network.links import LinkInfo, link
from graped.provision.ground import Finding

EVERY_S: Final = 600.0
AGAIN_S: Final = 30.0  # while there is one: it may have been switched off


class Rivals:
    """Remembers what the last look found."""

    def __init__(self, config: Callable[[], Config], clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._due = 0.0
        self._found: Finding | None = None
        self._looking = asyncio.Lock()

    def link(self) -> LinkInfo | None:
        """Read the state of the nodes' interface. Blocks a little."""
        name = self._config().netboot.interface
        return link(name) if name else None

    async def look(self, *, now: bool = False) -> Finding | None:
        """Tell whether there is a rival; asks the network when it is time to, or ``now``. Raises: OSError."""
        async with self._looking:
            if now or self._clock.monotonic() >= self._due:
                self._found = await asyncio.to_thread(self._ask)
                self._due = self._clock.monotonic() + (AGAIN_S if self._found else EVERY_S)
            return self._found

    def _ask(self) -> Finding | None:
        net = self._config().netboot
        if net.interface is None or net.address is None:
            return None
        found = find_rivals(net.interface, net.address.ip)
        if not found:
            return None
        who = " and ".join(f"{one.address} ({one.mac})" for one in found)
        return Finding(
            message=f"another DHCP server answers on {net.interface}: {who}",
            hint="Switch it off, or take its cable out of the nodes' network. Running nodes keep their leases.",
        )
