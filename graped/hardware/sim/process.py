"""The rack's own process: found by its pid file, gone when that file or its folder is."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from graped.hardware.sim.blueprint import RackPlan
from graped.hardware.sim.control import Control
from graped.hardware.sim.listeners import Listeners
from graped.hardware.sim.ops import OPS
from graped.hardware.sim.rack import Rack
from graped.hardware.sim.wire import (
    CONTROL,
    LINES,
    LOCK_FILE,
    PID_FILE,
    RACK_SOCKET,
    REQUEST,
    SIM_SOCKET,
    STAGES,
    TRANSACTIONS,
    line_of,
    lines_from,
    pack_answer,
    reachable,
    receive_exactly,
)
from graped.model import Stage

_LOOK_S = 0.5  # how often the pid file is looked at


class RackServer:
    """Serves one rack to everybody in its folder; a thread a connection, so that nobody waits for another's bus."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        self._rack = Rack(RackPlan(stacks={}))
        self._rack.watcher = self
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._control = Control(self._rack, self.stop)
        self._power = Listeners(self._rack.lock, self._all_power)
        self._stages = Listeners(self._rack.lock, self._all_stages)
        self._lines = Listeners(self._rack.lock, self._all_lines)

    # --- told by the rack, under its lock -----------------------------------------------------------------

    def slot_switched(self, t: float, stack: int, slot: int, on: bool) -> None:
        """Tell the power's listeners."""
        self._power.tell(line_of({"t": t, "stack": stack, "slot": slot, "on": on}))

    def stage_changed(self, t: float, stack: int, slot: int, stage: str | None) -> None:
        """Tell the stages' listeners; who asks for an address says its MAC address."""
        line: dict[str, object] = {"t": t, "stack": stack, "slot": slot, "stage": stage}
        mac = self._rack.stacks[stack].node(slot).mac if stage == Stage.DHCP else None
        self._stages.tell(line_of(line | {"mac": mac} if mac else line))

    def line_moved(self, t: float, pin: int, level: bool) -> None:
        """Tell the lines' listeners."""
        self._lines.tell(line_of({"t": t, "pin": pin, "level": level}))

    def woken(self) -> None:
        """Tick now."""
        self._woken.set()

    def _all_power(self) -> bytes:
        now = time.time()
        stacks = self._rack.stacks.items()
        return b"".join(
            line_of({"t": now, "stack": key, "slot": slot, "on": since is not None})
            for key, stack in stacks
            for slot, since in stack.on_since.items()
        )

    def _all_stages(self) -> bytes:
        now = time.time()
        told = self._rack.told_stages().items()
        return b"".join(
            line_of({"t": now, "stack": stack, "slot": slot, "stage": stage}) for (stack, slot), stage in told
        )

    def _all_lines(self) -> bytes:
        now = time.time()
        pins = (self._rack.plan.display_pin, self._rack.plan.overtemp_pin)
        lines = self._rack.lines
        return b"".join(line_of({"t": now, "pin": pin, "level": lines.level(pin)}) for pin in pins if pin is not None)

    # --- connections --------------------------------------------------------------------------------------

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                purpose = receive_exactly(sock, 1)
                if purpose == TRANSACTIONS:
                    self._serve_bus(sock)
                elif purpose == CONTROL:
                    for ask in lines_from(sock):
                        sock.sendall(line_of(self._control.answer(ask)))
                elif purpose == STAGES:
                    self._stages.serve(sock)
                elif purpose == LINES:
                    self._lines.serve(sock)
            except (OSError, ValueError):
                pass  # the client died or talks nonsense: its connection ends, nothing else

    def _serve_bus(self, sock: socket.socket) -> None:
        transact, head = self._rack.transact, REQUEST.size
        while True:
            frame = sock.recv(512)
            if len(frame) < head:
                if not frame:
                    return
                frame += receive_exactly(sock, head - len(frame))
            number, bus, address, register, value, timeout_s, length = REQUEST.unpack_from(frame)
            if len(frame) < head + length:
                frame += receive_exactly(sock, head + length - len(frame))
            by = frame[head:].decode(errors="replace")
            result, data = transact(OPS[number], bus, address, register, value, timeout_s=timeout_s, by=by)
            sock.sendall(pack_answer(result, data))

    def _listen(self, name: str, serve: Callable[[socket.socket], None]) -> None:
        path = self._dir / name
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with reachable(path) as short:
            listening.bind(short)
        path.chmod(0o660)
        listening.listen(64)
        threading.Thread(target=_accept, args=(listening, serve), name=name, daemon=True).start()

    def _serve_power(self, sock: socket.socket) -> None:
        with sock:
            self._power.serve(sock)

    # --- life ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the process soon: whoever asked still gets an answer."""
        self._stopping.set()
        self._woken.set()

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop, or until the pid file is not ours any more."""
        _write_pid(self._dir / PID_FILE)
        ours = _identity(self._dir)
        self._listen(SIM_SOCKET, self._serve)
        self._listen(RACK_SOCKET, self._serve_power)
        ready()
        look_at = time.monotonic() + _LOOK_S
        while not self._stopping.is_set():
            self._woken.clear()
            self._woken.wait(min(self._rack.tick(), _LOOK_S))
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_S
                if _identity(self._dir) != ours:
                    return  # somebody else's folder now: leave it alone
        time.sleep(0.05)
        for name in (PID_FILE, SIM_SOCKET, RACK_SOCKET):
            (self._dir / name).unlink(missing_ok=True)


def _accept(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        sock, _ = listening.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def _write_pid(path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{os.getpid()}\n")
    fresh.replace(path)


def _identity(state_dir: Path) -> tuple[int, ...] | None:
    try:
        folder, file = state_dir.stat(), (state_dir / PID_FILE).stat()
    except OSError:
        return None
    return folder.st_dev, folder.st_ino, file.st_ino, file.st_mtime_ns


def main(state_dir: Path) -> int:
    """Start the rack's process in the background; return once it answers, or when another one already does."""
    lock = os.open(state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # somebody was faster
    heard, told = os.pipe()
    if os.fork():
        os.close(told)
        return 0 if os.read(heard, 1) else 1
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = RackServer(state_dir)
    signal.signal(signal.SIGTERM, lambda number, frame: server.stop())
    sys.setswitchinterval(0.0005)  # many short transactions: a thread must not keep others waiting for 5 ms
    server.run(lambda: os.close(told) if os.write(told, b"\n") else None)
    return 0
