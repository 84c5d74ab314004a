"""What a control connection may ask of the rack: one JSON object in, one out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graped.errors import GrapeError, NotFound, RequestError
from graped.hardware.sim import hands
from graped.hardware.sim.blueprint import rack_plan
from graped.hardware.sim.faults import FaultKind, Hit, SimFault, parse_fault
from graped.hardware.sim.rack import Rack
from graped.hardware.sim.wire import PROTOCOL

Ask = dict[str, Any]


class Control:
    """Answers requests; ``stop`` ends the rack's process."""

    def __init__(self, rack: Rack, stop: Callable[[], None]) -> None:
        self._rack = rack
        self._file_faults: list[Any] | None = None
        self._asks: dict[str, Callable[[Ask], Any]] = {
            "hello": lambda ask: {"pid": os.getpid(), "protocol": PROTOCOL},
            "plan": lambda ask: self._rack.apply(rack_plan(ask["plan"])),
            "trace": lambda ask: self._rack.trace_to(Path(ask["path"]) if ask["path"] else None),
            "faults": lambda ask: [fault.to_json() for fault in self._faults()],
            "add_fault": self._add_fault,
            "clear_faults": lambda ask: self._rack.clear_faults(ask["id"]),
            "file_faults": self._take_file,
            "display": self._display,
            "turn": lambda ask: hands.turn(self._rack, ask["clicks"]),
            "press": lambda ask: hands.press(self._rack),
            "temperature": lambda ask: self._rack.force_temperature(ask["stack"], ask["celsius"]),
            "state": lambda ask: self._state(),
            "pin": self._pin,
            "drive": lambda ask: self._drive(ask["pin"], ask["level"], claim=ask["claim"]),
            "read_outlet": self._read_outlet,
            "write_outlet": self._write_outlet,
            "stop": lambda ask: stop(),
        }

    def answer(self, ask: Ask) -> dict[str, Any]:
        """Do what is asked; an error of ours goes back by its code."""
        try:
            return {"answer": self._asks[ask["ask"]](ask)}
        except GrapeError as error:
            return {"error": error.code, "detail": error.detail, "fields": error.fields}
        except (KeyError, TypeError, ValueError, OSError) as error:
            return {"error": "hardware", "detail": f"the simulated rack cannot do {ask.get('ask')!r}: {error!r}"}

    def _faults(self) -> tuple[SimFault, ...]:
        with self._rack.lock:
            return self._rack.faults.list()

    def _add_fault(self, ask: Ask) -> dict[str, Any]:
        fault, problems = parse_fault(ask["fault"])
        if fault is None:
            raise RequestError("; ".join(str(problem) for problem in problems))
        if fault.stack is not None and fault.stack not in self._rack.stacks:
            raise NotFound(f"there is no stack {fault.stack} in the rack")
        return self._rack.add_fault(fault).to_json()

    def _take_file(self, ask: Ask) -> None:
        """Arm the faults of a file once, however often daemons come with the same file."""
        if ask["faults"] == self._file_faults:
            return
        self._rack.clear_faults(from_file=True)
        self._file_faults = ask["faults"]
        with self._rack.lock:
            if ask["seed"] is not None:
                self._rack.faults.dice.seed(ask["seed"])
        for table in ask["faults"]:
            fault, _ = parse_fault(table)
            if fault is not None:
                self._rack.add_fault(fault, from_file=True)

    def _display(self, ask: Ask) -> dict[str, Any]:
        with self._rack.touching_panel() as panel:
            shown = panel.shown()
        return {"lines": shown.lines, "red": shown.red, "green": shown.green}

    def _state(self) -> dict[str, Any]:
        """Give the truth about every slot, for tests and people."""
        with self._rack.lock:
            self._rack.tick()
            stages = self._rack.told_stages()
            return {
                "stacks": {
                    key: {
                        "port": stack.port,
                        "celsius": stack.celsius(),
                        "watts": stack.watts(),
                        "on": [slot for slot, since in stack.on_since.items() if since is not None],
                        "stages": {slot: stages.get((key, slot)) for slot in stack.on_since},
                    }
                    for key, stack in self._rack.stacks.items()
                }
            }

    def _pin(self, ask: Ask) -> dict[str, Any]:
        with self._rack.lock:
            lines = self._rack.lines
            return {"output": lines.is_output(ask["pin"]), "level": lines.level(ask["pin"])}

    def _drive(self, pin: int, level: bool, *, claim: bool) -> None:
        with self._rack.lock:
            (self._rack.lines.drive if claim else self._rack.lines.write)(pin, level)

    def _read_outlet(self, ask: Ask) -> dict[str, Any]:
        """Give the port's value, or the fault that hits the query."""
        hit = self._rack.judge_outlet(ask["stack"], "receive_byte")
        if _fails(hit):
            return {"fault": hit.kind if hit else None}
        with self._rack.lock:
            return {"value": self._rack.outlet(ask["stack"]).port}

    def _write_outlet(self, ask: Ask) -> dict[str, Any]:
        """Switch the port, or give the fault that hits the command."""
        hit = self._rack.judge_outlet(ask["stack"], "send_byte")
        if _fails(hit):
            return {"fault": hit.kind if hit else None}
        with self._rack.lock:
            outlet = self._rack.outlet(ask["stack"])
            outlet.set(outlet.port & ~ask["mask"] | ask["value"] & ask["mask"])
        return {}


def _fails(hit: Hit | None) -> bool:
    return hit is not None and hit.kind is not FaultKind.FLIP
