"""The simulated rack as the API offers it: faults, display and knob. Asking blocks, so it is done in a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TypeVar

from graped.api import types
from graped.hardware.lanes import Lane, Priority
from graped.hardware.sim.client import SimControl
from graped.hardware.sim.faults import FaultKind, SimFault

T = TypeVar("T")


class Simulator:
    """Pass the API's wishes to the rack's process; implements api.backend.Simulator."""

    def __init__(self, control: SimControl, lane: Lane) -> None:
        self._control = control
        self._lane = lane

    async def faults(self) -> Sequence[types.SimFault]:
        """Tell the faults in force."""
        return [_told(fault) for fault in await self._ask(self._control.faults)]

    async def add(self, fault: types.SimFault) -> types.SimFault:
        """Arm a fault; raise RequestError when it makes no sense."""
        wanted = SimFault(**{**asdict(fault), "kind": FaultKind(fault.kind)})
        return _told(await self._ask(lambda: self._control.add_fault(wanted)))

    async def clear(self, fault_id: int | None) -> None:
        """Disarm one fault, or all; raise NotFound for an id that is not there."""
        await self._ask(lambda: self._control.clear_faults(fault_id))

    async def display(self) -> types.SimDisplay:
        """Read the simulated LCD; raise NotFound without one."""
        shown = await self._ask(self._control.display)
        return types.SimDisplay(lines=tuple(shown.lines), red=shown.red, green=shown.green)

    async def knob(self, turn: int, press: bool) -> None:
        """Turn the knob, then perhaps press it."""
        if turn:
            await self._ask(lambda: self._control.turn(turn))
        if press:
            await self._ask(self._control.press)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await self._lane.run(question, priority=Priority.COMMAND, by="simulator")


def _told(fault: SimFault) -> types.SimFault:
    return types.SimFault(**{**fault.to_json(), "kind": fault.kind.value})
