"""A real graped on a simulated rack, to be started, killed, faulted and watched."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from graped.api.client import Client
from graped.errors import GrapeError, TimedOut, Unreachable
from graped.hardware.sim import start as simulator
from graped.hardware.sim.client import SimControl
from tests.campaign.evidence import History, Life, PolicySpan
from tests.campaign.nursery import Child, Nursery
from tests.campaign.truth import Told

START_S = 30.0
END_S = 60.0
RACK_SOCKET = "rack.sock"


class Ordinary:
    """A graped started by its command."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        with log.open("ab") as output:
            words = [sys.executable, "-m", "graped", *arguments]
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.send_signal = self._process.send_signal
        self.poll = self._process.poll
        self.wait = self._process.wait


class Rig:
    """One rack and, most of the time, one graped. ``config`` is TOML; ``{policy}`` in it is what ``policy`` says."""

    def __init__(self, room: Path, config: str, *, policy: str = "adopt", nodes: str = "") -> None:
        self.room = room
        self.state = room / "state"
        self.socket = room / "s.sock"
        self.trace = room / "trace.jsonl"
        self.log = room / "graped.log"
        self.lives: list[Life] = []
        self.policies: list[PolicySpan] = []
        self._config = config
        self._nodes = room / "nodes.toml"
        self._nodes.write_text(nodes)
        self._nursery: Nursery | None = None
        self._graped: Child | Ordinary | None = None
        self._born = 0.0
        self._control: SimControl | None = None
        self.client = Client(self.socket)
        self.configure(policy)

    # --- graped -------------------------------------------------------------------------------------------

    def configure(self, policy: str) -> None:
        """Write the configuration; it is in force after a start or a SIGHUP."""
        fresh = self.room / "config.new"
        fresh.write_text(self._config.replace("{policy}", policy))
        fresh.replace(self.room / "config.toml")
        self.policies.append(PolicySpan(t=time.time(), policy=policy))

    def spawn(self) -> None:
        """Start graped and do not wait for it: the first time by its command, later from the nursery."""
        assert self._graped is None
        words = ["--config", self.room / "config.toml", "--simulate", "--socket", self.socket]
        words += ["--state-dir", self.state, "--sim-nodes", self._nodes, "--sim-trace", self.trace]
        arguments = [*map(str, words), "--log-level", "warning"]
        self._born = time.time()
        if not self.lives:
            self._graped = Ordinary(arguments, self.log)
            return
        self._nursery = self._nursery or Nursery()
        self._graped = self._nursery.spawn(arguments, self.log)

    def wait(self) -> None:
        """Wait until graped answers."""
        assert self._graped is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if (code := self._graped.poll()) is not None:
                raise AssertionError(f"graped ended with {code}:\n{self.log.read_text()[-3000:]}")
            with contextlib.suppress(Unreachable, TimedOut):
                self.client.get("/v1/version")
                return
            time.sleep(0.01)
        raise AssertionError(f"graped did not answer within {START_S:g} s:\n{self.log.read_text()[-3000:]}")

    def start(self) -> None:
        """Start graped and wait until it answers."""
        self.spawn()
        self.wait()

    def hang_up(self) -> None:
        """Reload the configuration."""
        assert self._graped is not None
        self._graped.send_signal(signal.SIGHUP)

    def end(self, number: signal.Signals) -> None:
        """End graped by a signal and wait until it has gone."""
        assert self._graped is not None
        self._graped.send_signal(number)
        late = threading.Timer(END_S, self._graped.send_signal, (signal.SIGABRT,))  # it tells where its threads are
        late.start()
        try:
            code = self._graped.wait()
        finally:
            late.cancel()
        self._graped = None
        self.client.close()
        killed = number is signal.SIGKILL
        self.lives.append(Life(start=self._born, end=time.time(), killed=killed))
        if not killed and code != 0:
            raise AssertionError(f"graped ended with {code}:\n{self.log.read_text()[-6000:]}")

    @property
    def runs(self) -> bool:
        """Whether graped was started and not ended."""
        return self._graped is not None

    @property
    def born(self) -> float:
        """When the graped that runs was started."""
        return self._born

    # --- the rack -----------------------------------------------------------------------------------------

    @property
    def rack(self) -> SimControl:
        """The simulated rack itself."""
        if self._control is None:
            self._control = SimControl(self.state)
        return self._control

    def ports(self) -> dict[int, int]:
        """Give the pins of every stack's power port."""
        return {int(key): stack["port"] for key, stack in self.rack.state()["stacks"].items()}

    def close(self) -> None:
        """End graped and the rack, whatever state they are in."""
        if self._graped is not None:
            with contextlib.suppress(AssertionError, ProcessLookupError):
                self.end(signal.SIGKILL)
        if self._nursery is not None:
            self._nursery.close()
        if self._control is not None:
            self._control.close()
        simulator.stop(self.state)


class PinWatch:
    """Follows ``rack.sock``: what each slot's power truly is."""

    def __init__(self, state: Path) -> None:
        self.history = History()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.connect(str(state / RACK_SOCKET))
        threading.Thread(target=self._follow, name="pins", daemon=True).start()

    def _follow(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._sock.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                self.history.note(told["t"], (told["stack"], told["slot"]), told["on"])

    def close(self) -> None:
        """Stop following."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


class EventWatch:
    """Follows graped's event stream over all its lives."""

    def __init__(self, path: Path) -> None:
        self.told: list[Told] = []
        self.ended: GrapeError | None = None
        self._client = Client(path)
        threading.Thread(target=self._follow, name="events", daemon=True).start()

    def _follow(self) -> None:
        try:
            for event in self._client.stream("/v1/events/stream", 0, patience_s=START_S):
                self.told.append(told_of(event))
        except GrapeError as error:
            self.ended = error


def told_of(event: dict[str, Any]) -> Told:
    """Read one event of the API."""
    return Told(
        id=event["id"], t=moment(event["time"]), kind=event["kind"], stack=event["stack"], fields=event["fields"]
    )


def moment(text: str) -> float:
    """Read a time of the API."""
    return datetime.fromisoformat(text).timestamp()


class TraceTail:
    """Reads what a trace has grown by."""

    def __init__(self, path: Path, *, from_end: bool = True) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._rest = b""
        if from_end:
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def lines(self) -> Iterator[str]:
        """Give the whole lines that came since the last call."""
        while data := os.read(self._descriptor, 1 << 16):
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield line.decode()

    def wait_for(self, part: str, timeout_s: float) -> bool:
        """Wait until a line contains this; the wait spins, because what follows within a millisecond matters."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if any(part in line for line in self.lines()):
                return True
            time.sleep(0.0002)
        return False

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)
