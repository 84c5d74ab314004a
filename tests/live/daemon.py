"""Run a real graped on a simulated rack of its own; nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from graped.api.client import Client
from graped.errors import Unreachable
from graped.hardware.sim import start as rack

BIN = Path(sys.executable).parent
FAST = """
[power]
stagger_s = 0.05
inrush_s = 0.1
max_inrush = 6
cycle_off_s = 0.2
[poll]
power_s = 0.2
meters_s = 0.3
[bus]
deadline_s = 0.1
"""
TWO_STACKS = "[cluster.stacks.0.devices]\n" + "".join(f'{n} = {{ mac = "02:00:00:00:00:0{n}" }}\n' for n in range(6))
TWO_STACKS += "[cluster.stacks.1.devices]\n" + "".join(f'{n} = {{ mac = "02:00:00:00:01:0{n}" }}\n' for n in range(6))


class Daemon:
    """graped in a folder of its own. ``extra`` are more arguments, e.g. ``--sim-trace FILE``.

    ``prefix`` are the words that run a command somewhere else, e.g. in a network namespace.
    """

    def __init__(self, room: Path, config: str = TWO_STACKS + FAST, *extra: str, prefix: tuple[str, ...] = ()) -> None:
        self.room = room
        self.socket = room / "s.sock"
        self.config = room / "config.toml"
        self.state = room / "state"
        self.config.write_text(config)
        self.extra = extra
        self.prefix = prefix
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait_s: float = 40.0) -> Daemon:
        """Start, and wait until it answers and has read every stack that answers."""
        command: list[str | Path] = [
            *self.prefix,
            BIN / "graped",
            "--simulate",
            "--config",
            self.config,
            "--state-dir",
            self.state,
        ]
        with (self.room / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--socket", self.socket, *self.extra], stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"graped ended with {self.process.returncode}:\n{self.log()}")
            try:
                if all(stack["state"] != "starting" for stack in self.client().get("/v1/status")["stacks"]):
                    return self
            except Unreachable:
                pass
            time.sleep(0.02)
        raise AssertionError(f"graped did not answer:\n{self.log()}")

    def client(self) -> Client:
        """Talk to it."""
        return Client(self.socket, 30.0)

    def cli(self, *words: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run grapecli as a process."""
        return subprocess.run(
            [BIN / "grapecli", "--socket", self.socket, *words],
            input=stdin, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **(env or {})},
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """What the CLI prints as JSON."""
        done = self.cli("--json", "status")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def observed(self) -> dict[str, str]:
        """Tell each node's observed power."""
        return {node["name"]: node["power"]["observed"] for node in self.client().get("/v1/nodes")}

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop or kill it, and tell its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)

    def log(self) -> str:
        """What it wrote."""
        return (self.room / "log").read_text()

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, *_: object) -> None:
        try:
            self.stop(signal.SIGKILL)
        finally:
            rack.stop(self.state)
