"""Rack: a real graped on a simulated rack whose slots switch real things on and off.

It listens to ``rack.sock`` of the simulated rack, which tells each change of a pin, and to nothing else.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from graped.hardware.sim import start as simulator
from tests.lab.master import Master
from tests.live.daemon import Daemon

RACK_SOCKET = "rack.sock"
CONNECT_S = 60.0
PAUSE_S = 0.02
Slot = tuple[int, int]  # stack, slot


class Powered(Protocol):
    """What sits in a slot. ``power_on`` returns at once; ``power_cut`` when it is off."""

    def power_on(self) -> None: ...

    def power_cut(self) -> None: ...


class Rack:
    """graped at a master. ``config`` is TOML; slots that are not named are empty."""

    def __init__(self, master: Master, config: str, slots: Mapping[Slot, Powered], *, netboot: bool = True) -> None:
        self.room = master.network.run.folder("rack")
        nodes = self.room / "nodes.toml"
        nodes.write_text(nodes_file(slots))
        more = ("--sim-netboot",) if netboot else ()
        self.daemon = Daemon(self.room, config, "--sim-nodes", str(nodes), *more, prefix=master.command())
        self.switches = Switches(slots)
        master.network.run.at_end(self.close)

    def start(self) -> None:
        """Start graped, and wait until it answers; the first time, begin to listen to the rack."""
        self.daemon.start(wait_s=60.0)
        self.switches.follow(self.daemon.state / RACK_SOCKET)

    def close(self) -> None:
        """End graped, the rack, and everything that it has switched on."""
        with contextlib.suppress(Exception):
            self.daemon.__exit__()
        simulator.stop(self.daemon.state)
        self.switches.close()

    def on(self, slot: Slot) -> bool:
        """Whether a slot has power, as the rack tells it."""
        return self.switches.on(slot)

    def cut(self, slot: Slot) -> bool:
        """Whether what sits in a slot has lost its power: a moment after graped is told that it is off."""
        return self.switches.cut(slot)

    def trouble(self) -> list[BaseException]:
        """Give what went wrong in switching things; empty in a good test."""
        return self.switches.trouble()


class Switches:
    """What sits in slots, switched as the rack tells."""

    def __init__(self, slots: Mapping[Slot, Powered]) -> None:
        self._switches = {slot: _Switch(thing) for slot, thing in slots.items()}
        self._listener: _Listener | None = None

    def follow(self, rack: Path) -> None:
        """Begin to listen to the rack's socket; once is enough, since it outlives graped."""
        if self._listener is None:
            self._listener = _Listener(rack, self._switches)

    def close(self) -> None:
        """Cut all power, and end."""
        if self._listener is not None:
            self._listener.close()
        for switch in self._switches.values():
            switch.close()

    def on(self, slot: Slot) -> bool:
        """Whether a slot has power, as the rack tells it."""
        return self._switches[slot].on

    def cut(self, slot: Slot) -> bool:
        """Whether what sits in a slot has lost its power, as the rack tells it."""
        return self._switches[slot].cut

    def trouble(self) -> list[BaseException]:
        """Give what went wrong in switching things; empty in a good test."""
        return [error for switch in self._switches.values() for error in switch.trouble]


class _Listener:
    """Follows the rack's socket in a thread."""

    def __init__(self, path: Path, switches: Mapping[Slot, _Switch]) -> None:
        self._switches = switches
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        deadline = time.monotonic() + CONNECT_S
        while True:
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)
        self._thread = threading.Thread(target=self._follow, name="rack", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                switch = self._switches.get((told["stack"], told["slot"]))
                if switch is not None:
                    switch.turn(on=told["on"])


class _Switch:
    """One slot's power: a thread of its own, so that no slot waits for another."""

    def __init__(self, thing: Powered) -> None:
        self.on = False
        self.trouble: list[BaseException] = []
        self._turned = self._worked = 0
        self._thing = thing
        self._orders: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="slot", daemon=True)
        self._thread.start()

    def turn(self, *, on: bool) -> None:
        """Switch; the same again is nothing."""
        if on != self.on:
            self._turned += 1
            self.on = on
            self._orders.put(on)

    @property
    def cut(self) -> bool:
        """Whether what sits there has lost its power."""
        return not self.on and self._worked == self._turned

    def close(self) -> None:
        """Cut the power and end."""
        self.turn(on=False)
        self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (on := self._orders.get()) is not None:
            try:
                self._thing.power_on() if on else self._thing.power_cut()
            except Exception as error:
                self.trouble.append(error)
            self._worked += 1


def nodes_file(slots: Mapping[Slot, Powered]) -> str:
    """Say that machines of ours sit in these slots, and nothing in all others."""
    lines = ['default = "empty"']
    for stack in sorted({stack for stack, _ in slots}):
        lines.append(f"[stacks.{stack}.slots]")
        lines += [f'{slot} = "external"' for key, slot in sorted(slots) if key == stack]
    return "\n".join(lines) + "\n"
