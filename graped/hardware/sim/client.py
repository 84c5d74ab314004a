"""The rack's process as its users see it: a control connection, and buses of their own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graped.errors import BusMissing, GrapeError, HardwareError, NotFound, PinError, RequestError
from graped.hardware.protocols import current_purpose
from graped.hardware.sim.blueprint import RackPlan
from graped.hardware.sim.buses import SimulatedBus
from graped.hardware.sim.faults import FaultKind, SimFault
from graped.hardware.sim.ops import Op, Result
from graped.hardware.sim.panel import Shown
from graped.hardware.sim.wire import (
    ANSWER,
    CONTROL,
    SIM_SOCKET,
    STAGES,
    TRANSACTIONS,
    connect,
    line_of,
    lines_from,
    pack_request,
    receive_exactly,
    unpack_answer,
)

_PATIENCE_S = 5.0  # beyond the caller's own timeout: the rack answers at once, or it is stopped or gone
_ERRORS: dict[str, type[GrapeError]] = {error.code: error for error in (NotFound, PinError, RequestError)}


class SimBus(SimulatedBus):
    """One bus of the rack's process. A lost connection is opened again with the next transaction, never resent."""

    def __init__(self, state_dir: Path, number: int, timeout_s: float = 0.05) -> None:
        super().__init__(number)
        self._path = state_dir / SIM_SOCKET
        self._sock: socket.socket | None = None
        self._lock = threading.Lock()
        self.timeout_s = timeout_s

    def transact(self, op: Op, address: int, register: int, value: int) -> tuple[Result, int]:
        """Do one transaction; raise BusMissing when the rack has gone."""
        frame = pack_request(op, self.number, address, register, value, self.timeout_s, current_purpose())
        with self._lock:
            try:
                if self._sock is None:
                    self._sock = connect(self._path, TRANSACTIONS, self.timeout_s + _PATIENCE_S)
                self._sock.sendall(frame)
                return unpack_answer(receive_exactly(self._sock, ANSWER.size))
            except TimeoutError:
                self._drop()  # a late answer must never be taken for the next one's
                return Result.TIMEOUT, 0
            except OSError as error:
                self._drop()
                raise BusMissing(
                    f"bus {self.number}: the simulated rack has gone ({error})",
                    hint="Start graped --simulate again: it starts a new rack.",
                    bus=self.number,
                ) from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class SimControl:
    """Asks the rack for what no bus can tell or change. Thread-safe."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._path = state_dir / SIM_SOCKET
        self._sock: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, what: str, *, patience_s: float = _PATIENCE_S, **fields: Any) -> Any:
        """Send one request; raise HardwareError when the rack has gone, or the error that it answers with."""
        with self._lock:
            try:
                if self._sock is None:
                    self._sock = connect(self._path, CONTROL, patience_s)
                self._sock.settimeout(patience_s)
                self._sock.sendall(line_of({"ask": what, **fields}))
                answer = json.loads(_receive_line(self._sock))
            except (OSError, ValueError) as error:
                self._drop()
                raise HardwareError(
                    f"the simulated rack does not answer ({error})",
                    hint="Start graped --simulate again: it starts a new rack.",
                ) from error
        if "error" in answer:
            raise _ERRORS.get(answer["error"], HardwareError)(answer["detail"], **answer.get("fields", {}))
        return answer["answer"]

    def hello(self) -> dict[str, Any]:
        """Give the rack's ``pid`` and ``protocol``."""
        return dict(self.ask("hello"))

    def apply(self, plan: RackPlan) -> None:
        """Make the rack what the plan says; what stays keeps its state."""
        self.ask("plan", plan=plan.to_json())

    def trace_to(self, path: Path | None) -> None:
        """Trace into this file from now on; None ends it."""
        self.ask("trace", path=None if path is None else str(path.absolute()))

    def faults(self) -> tuple[SimFault, ...]:
        """Give the faults in force, with the hits and seconds that are left."""
        return tuple(_fault(fault) for fault in self.ask("faults"))

    def add_fault(self, fault: SimFault) -> SimFault:
        """Arm a fault and give it with its id; raise RequestError or NotFound when it makes no sense."""
        return _fault(self.ask("add_fault", fault=fault.to_json()))

    def clear_faults(self, number: int | None = None) -> int:
        """Disarm one fault (raise NotFound) or all; tell how many."""
        return int(self.ask("clear_faults", id=number))

    def file_faults(self, faults: tuple[SimFault, ...], seed: int | None = None) -> None:
        """Arm the faults of a file in place of those of the last file; the same file again changes nothing."""
        self.ask("file_faults", faults=[fault.to_json() for fault in faults], seed=seed)

    def display(self) -> Shown:
        """Read the simulated LCD and LEDs; raise NotFound without a display."""
        shown = self.ask("display")
        return Shown(lines=tuple(shown["lines"]), red=shown["red"], green=shown["green"])

    def turn(self, clicks: int) -> None:
        """Turn the knob, clockwise for positive clicks; returns when it rests."""
        self._ask_apart("turn", clicks=clicks, patience_s=_PATIENCE_S + abs(clicks))

    def press(self) -> None:
        """Push the knob and let it go."""
        self._ask_apart("press")

    def temperature(self, stack: int, celsius: float | None) -> None:
        """Make a stack's thermometer feel this; None ends it. Raise NotFound for a stack that is not there."""
        self.ask("temperature", stack=stack, celsius=celsius)

    def state(self) -> dict[str, Any]:
        """Give the truth: per stack ``port``, ``on`` (slots), ``stages``, ``celsius``, ``watts``; keys are strings."""
        return dict(self.ask("state"))

    def stop(self) -> None:
        """End the rack's process, and with it every simulated node."""
        self.ask("stop")
        self.close()

    def watch_stages(
        self, seen: Callable[[int, int, str | None], None], asked: Callable[[str], None] = lambda _: None
    ) -> Callable[[], None]:
        """Call ``seen(stack, slot, stage)`` in a thread for every stage, then for each change; None: nobody can know.

        ``asked`` is told the MAC address of each node that asks for an address, and, as on a wire, not where it sits.
        After a lost connection all stages come again. Give a function that ends it.
        """

        def take(line: dict[str, Any]) -> None:
            if "mac" in line:
                asked(line["mac"])
            seen(line["stack"], line["slot"], line["stage"])

        return subscribe(self._path, STAGES, take)

    def close(self) -> None:
        """Close the connection; the rack goes on."""
        with self._lock:
            self._drop()

    def _ask_apart(self, what: str, **fields: Any) -> None:
        """Ask over a connection of its own: a hand is slow, and others ask for pins meanwhile."""
        hand = SimControl(self.state_dir)
        try:
            hand.ask(what, **fields)
        finally:
            hand.close()

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def subscribe(path: Path, topic: bytes, seen: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Call ``seen`` in a thread for each line of a topic, connecting again whenever needed; give the way to end it."""
    ended = threading.Event()
    current: list[socket.socket] = []

    def listen() -> None:
        while not ended.is_set():
            try:
                with connect(path, topic, None) as sock:
                    current[:] = [sock]
                    for line in lines_from(sock):
                        if ended.is_set():
                            return
                        seen(line)
            except (OSError, ValueError):
                pass  # the rack restarts, or has gone
            ended.wait(0.5)

    def end() -> None:
        ended.set()
        for sock in current:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=listen, name="sim-lines", daemon=True).start()
    return end


def _receive_line(sock: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        more = sock.recv(65536)
        if not more:
            raise ConnectionError("the connection was closed")
        received += more
    return received


def _fault(value: dict[str, Any]) -> SimFault:
    return SimFault(**{**value, "kind": FaultKind(value["kind"])})
