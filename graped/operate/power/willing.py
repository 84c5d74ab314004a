"""Which nodes can be asked to stop: up, with a pinned key, and with our own key let in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from graped.core.events import SoftOffChanged
from graped.errors import GrapeError, SshDenied
from graped.model import SlotId, Stage
from graped.network.ssh_client import Endpoint, connect
from graped.operate.house import House

LOGIN_S: Final = 10.0
AT_ONCE: Final = 8
AGAIN_S: Final = 60.0  # a node that did not let us in is tried again after so long
LOOK_S: Final = 1.0
STORM_S: Final = 0.1  # many changes at once are one


@dataclass(slots=True, eq=False)
class _Check:
    """What is known of a node in one boot of it; believed willing until it refuses."""

    up_since: float | None
    at: float
    denied: bool = False


class Willing:
    """Keeps ``state.soft_off`` right."""

    def __init__(self, house: House, log_in: Callable[[Endpoint], None] | None = None) -> None:
        self._house = house
        self._log_in = log_in or self._by_ssh
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="willing")
        self._checks: dict[SlotId, _Check] = {}

    async def run(self) -> None:
        """Follow the state until cancelled."""
        engine = self._house.engine
        async with asyncio.TaskGroup() as group:
            while True:
                revision = engine.state.revision
                ready = frozenset(slot for slot in self._up() if self._lets_us_in(slot, group))
                if ready != engine.state.soft_off:
                    engine.post(SoftOffChanged(slots=ready))
                await engine.changed(revision, LOOK_S)
                await asyncio.sleep(STORM_S)

    def _up(self) -> list[SlotId]:
        state = self._house.state
        return [
            slot for slot, one in state.slots.items()
            if one.stage is Stage.UP and slot in state.trusted and self._house.is_real(slot)
        ]  # fmt: skip

    def _lets_us_in(self, slot: SlotId, group: asyncio.TaskGroup) -> bool:
        now, since = self._house.clock.monotonic(), self._house.state.slots[slot].stage_since
        check = self._checks.get(slot)
        if check is None or check.up_since != since:
            check = self._checks[slot] = _Check(up_since=since, at=now)
        elif not check.denied or now < check.at + AGAIN_S:
            return not check.denied
        check.at = now
        if slot not in self._house.state.claims:  # it is about to be asked, or cut
            group.create_task(self._find_out(slot, check))
        return not check.denied

    async def _find_out(self, slot: SlotId, check: _Check) -> None:
        def work() -> None:  # in a thread
            at = self._house.access.endpoint(slot)
            if at.address:
                self._log_in(at)

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
            check.denied = False
        except SshDenied:
            check.denied = True
        except (GrapeError, OSError):
            pass  # it is not there, or is somebody else: its stage will say so

    def _by_ssh(self, at: Endpoint) -> None:
        connect(at, self._house.access.keys.cluster_key(), timeout_s=LOGIN_S).close()
