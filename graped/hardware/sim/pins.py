"""The rack's GPIO lines and outlets behind the protocols of the real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from graped.errors import BusNack, BusTimeout, HardwareError
from graped.hardware.protocols import Edge, Function
from graped.hardware.sim.client import SimControl, subscribe
from graped.hardware.sim.faults import FaultKind
from graped.hardware.sim.wire import LINES, SIM_SOCKET
from graped.model import PortLayout, PortReading


class SimGpio:
    """GPIO of the simulated master; implements hardware.protocols.Gpio. The rack holds the outputs."""

    def __init__(self, control: SimControl) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._watched: list[tuple[int, Edge, Callable[[], None]]] = []
        self._levels: dict[int, bool] = {}
        self._end: Callable[[], None] | None = None

    def function(self, pin: int) -> Function:
        """Look at a line; claims nothing."""
        return Function.OUTPUT if self._control.ask("pin", pin=pin)["output"] else Function.INPUT

    def level(self, pin: int) -> bool:
        """Look at a line's level; claims nothing."""
        return bool(self._control.ask("pin", pin=pin)["level"])

    def claim_output(self, pin: int, level: bool) -> None:
        """Make a line an output that starts with this level."""
        self._control.ask("drive", pin=pin, level=level, claim=True)

    def write(self, pin: int, level: bool) -> None:
        """Set an output; raise PinError for an input."""
        self._control.ask("drive", pin=pin, level=level, claim=False)

    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
        """Call ``seen`` in another thread at each edge."""
        with self._lock:
            self._watched.append((pin, edge, seen))
            if self._end is None:
                self._end = subscribe(self._control.state_dir / SIM_SOCKET, LINES, self._moved)

    def keeps_outputs(self) -> bool:
        """The rack outlives the daemon, and the lines are its own."""
        return True

    def close(self) -> None:
        """End the watching; outputs stay."""
        if self._end is not None:
            self._end()
            self._end = None

    def _moved(self, line: dict[str, Any]) -> None:
        pin, level = line["pin"], line["level"]
        before = self._levels.get(pin)
        self._levels[pin] = level
        if before is None or before == level:
            return
        wanted = (Edge.BOTH, Edge.RISING if level else Edge.FALLING)
        with self._lock:
            calls = [seen for watched, edge, seen in self._watched if watched == pin and edge in wanted]
        for seen in calls:
            seen()


class SimPort:
    """The stand-in for the tool of a ``command`` stack; implements hardware.protocols.PowerDriver."""

    def __init__(self, control: SimControl, stack: int, slots: frozenset[int]) -> None:
        self._control = control
        self._stack = stack
        self.lane = f"sim-{stack}"
        self.layout = PortLayout(bits={slot: slot for slot in sorted(slots)}, active_low=False)

    def read(self, verified: int | None) -> PortReading:
        """Ask for the slots; a tool answers reliably or not at all, so one answer counts."""
        answer = self._ask("read_outlet")
        return PortReading(value=answer["value"], known=sum(1 << bit for bit in self.layout.bits.values()))

    def write(self, base: int, value: int) -> None:
        """Switch the slots in which ``value`` differs from ``base``."""
        self._ask("write_outlet", value=value, mask=base ^ value)

    def _ask(self, what: str, **fields: int) -> dict[str, int]:
        answer: dict[str, Any] = self._control.ask(what, stack=self._stack, **fields)
        match answer.get("fault"):
            case None:
                return answer
            case FaultKind.NACK | FaultKind.MISSING:
                raise BusNack("the simulated outlet does not answer")
            case FaultKind.TIMEOUT:
                raise BusTimeout(f"stack {self._stack}: its simulated outlet timed out")
            case other:
                raise HardwareError(f"stack {self._stack}: {other}")
