"""Soft reboot: a node's system is asked to start again. Whether it does is seen by its boot stages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from graped.core.effects import SoftReboot
from graped.core.events import SoftRebootEnded
from graped.errors import GrapeError
from graped.model import SlotId
from graped.network.ssh_client import Endpoint
from graped.operate.house import House
from graped.operate.power.asking import Wish, ask_system, words

log = logging.getLogger("graped.rebooting")

AT_ONCE: Final = 8


class Rebooting:
    """One daemon's; made in the event loop's thread."""

    def __init__(self, house: House, asks: Callable[[Endpoint], None] | None = None) -> None:
        self._house = house
        self._asks = asks or self._ask_by_ssh
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rebooting")
        self._asking: dict[SlotId, asyncio.Task[None]] = {}

    def ask(self, effect: SoftReboot) -> None:
        """Ask a node; ``SoftRebootEnded`` tells whether it could be asked. One that is being asked is asked once."""
        slot = effect.slot
        if slot not in self._asking:
            task = self._asking[slot] = asyncio.create_task(self._reboot(slot))
            task.add_done_callback(lambda _: self._asking.pop(slot, None))

    async def _reboot(self, slot: SlotId) -> None:
        name = self._house.state.config.node_name(slot)

        def work() -> None:  # in a thread
            self._asks(self._house.access.endpoint(slot))

        note, done = "asked over SSH to start again", False
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
            done = True
        except GrapeError as error:
            note = f"could not be asked: {words(error, name)}"
        except Exception as error:
            log.exception("asking %s to start again failed", name)
            note = f"graped failed inside ({type(error).__name__})"
        self._house.engine.post(SoftRebootEnded(slot=slot, done=done, note=note))

    def _ask_by_ssh(self, at: Endpoint) -> None:
        ask_system(at, self._house.access.keys.cluster_key(), Wish.REBOOT)
