"""The simulated rack as the API speaks of it: the rack's blocking control connection, asked from threads."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from graped.api.types import SimDisplay, SimFault
from graped.hardware.sim import faults
from graped.hardware.sim.client import SimControl


class RackSimulator:
    """Implement ``backend.Simulator`` over the rack's process."""

    def __init__(self, control: SimControl) -> None:
        self._control = control

    async def faults(self) -> tuple[SimFault, ...]:
        """List the faults in force."""
        return tuple(map(_told, await asyncio.to_thread(self._control.faults)))

    async def add(self, fault: SimFault) -> SimFault:
        """Inject a fault; give it with its id. Raises: RequestError."""
        fields = asdict(fault) | {"kind": faults.FaultKind(fault.kind)}
        return _told(await asyncio.to_thread(self._control.add_fault, faults.SimFault(**fields)))

    async def clear(self, fault_id: int | None) -> None:
        """Clear one fault (raises NotFound), or all."""
        await asyncio.to_thread(self._control.clear_faults, fault_id)

    async def display(self) -> SimDisplay:
        """Read the LCD and LEDs. Raises: NotFound without a display."""
        shown = await asyncio.to_thread(self._control.display)
        return SimDisplay(lines=shown.lines, red=shown.red, green=shown.green)

    async def knob(self, turn: int, press: bool) -> None:
        """Turn the knob, then press it."""
        if turn:
            await asyncio.to_thread(self._control.turn, turn)
        if press:
            await asyncio.to_thread(self._control.press)


def _told(fault: faults.SimFault) -> SimFault:
    fields = fault.to_json() | {"kind": fault.kind.value}
    return SimFault(**fields)
