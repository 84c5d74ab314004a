"""A soft reboot: asked once, told once."""

from __future__ import annotations

import time
from pathlib import Path

from graped.core.effects import SoftReboot
from graped.core.events import SoftRebootEnded
from graped.errors import SshRefused
from graped.network.ssh_client import Endpoint
from graped.operate.power.rebooting import Rebooting
from tests.operate.yard import A, B, C, Yard, play


def test_nodes_are_asked_to_start_again_and_what_came_of_it_is_told(tmp_path: Path) -> None:
    asked: list[str] = []
    told: dict[str, SoftRebootEnded] = {}

    def ask(at: Endpoint) -> None:
        asked.append(at.name)
        time.sleep(0.2)
        if at.name == "worker-0-1":
            raise SshRefused("worker-0-1: port 22 of 10.77.0.11 is closed")
        if at.name == "worker-0-2":
            raise ZeroDivisionError

    async def story(yard: Yard) -> None:
        rebooting = Rebooting(yard.house, ask)
        yard.engine.post = lambda event: told.update({str(event.slot): event})  # type: ignore[method-assign, union-attr]
        for slot in (A, B, C, A):
            rebooting.ask(SoftReboot(slot=slot))
        await yard.until(lambda: len(told) == 3)
        assert sorted(asked) == ["worker-0-0", "worker-0-1", "worker-0-2"]
        done, refused, bug = told[str(A)], told[str(B)], told[str(C)]
        assert (done.done, done.note) == (True, "asked over SSH to start again")
        assert (refused.done, refused.note) == (False, "could not be asked: port 22 of 10.77.0.11 is closed")
        assert (bug.done, bug.note) == (False, "graped failed inside (ZeroDivisionError)")
        rebooting.ask(SoftReboot(slot=A))
        await yard.until(lambda: len(asked) == 4)

    play(tmp_path, story)
