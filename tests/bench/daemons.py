"""Real daemons to measure: graped on its simulated rack, and processes told apart by the processor time they use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from graped.api.client import Client
from graped.errors import GrapeError

SLOTS = 6
_START_S = 20.0
_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A graped that runs on a simulated rack of its own."""

    pid: int
    socket: Path
    trace: Path

    def client(self) -> Client:
        """Give a new connection."""
        return Client(self.socket)


def configuration(stacks: int, more: str = "") -> str:
    """Write the configuration of full stacks, eight a bus; everything else is at its default."""
    lines = ["[cluster]", 'name = "bench"']
    for key in range(stacks):
        lines += [f"[cluster.stacks.{key}]", f"bus = {key // 8}"]
        lines += [f'devices.{slot}.mac = "02:00:00:00:{key:02x}:{slot:02x}"' for slot in range(SLOTS)]
    return "\n".join([*lines, more, ""])


@contextlib.contextmanager
def graped(room: Path, stacks: int, more: str = "", *, traced: bool = False) -> Iterator[Daemon]:
    """Run a daemon and its rack for the time of a block; both are gone after it."""
    room.mkdir(parents=True)
    config, socket, trace = room / "config.toml", room / "s.sock", room / "trace.jsonl"
    config.write_text(configuration(stacks, more))
    argv: list[str | Path] = [sys.executable, "-m", "graped", "--config", config, "--simulate"]
    argv += ["--state-dir", room, "--socket", socket, *(("--sim-trace", trace) if traced else ())]
    with (room / "log").open("wb") as log:
        running = subprocess.Popen(argv, stdout=log, stderr=log)
    daemon = Daemon(pid=running.pid, socket=socket, trace=trace)
    try:
        wait_until(lambda: running.poll() is not None or _all_read(daemon), "graped to read every stack")
        if running.poll() is not None:
            raise SystemExit(f"graped ended: {(room / 'log').read_text()[-2000:]}")
        yield daemon
    finally:
        running.terminate()
        running.wait(10)
        subprocess.run([sys.executable, "-m", "graped", "--sim-stop", "--state-dir", room], capture_output=True)


def _all_read(daemon: Daemon) -> bool:
    try:
        with daemon.client() as client:
            return all(stack["state"] == "ok" for stack in client.get("/v1/stacks"))
    except GrapeError:
        return False


def wait_until(true: Callable[[], bool], what: str, pause_s: float = 0.05) -> None:
    """Wait for something that takes a moment."""
    deadline = time.monotonic() + _START_S
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {_START_S:g} s in vain for {what}")
        time.sleep(pause_s)


def processor_s(pid: int) -> float:
    """Tell the processor time of a process so far, all its threads together."""
    with contextlib.suppress(OSError):
        runs = [Path(f"/proc/{pid}/task/{task}/schedstat").read_text() for task in os.listdir(f"/proc/{pid}/task")]
        return sum(int(run.split()[0]) for run in runs) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # a kernel without schedstat
    return (int(fields[11]) + int(fields[12])) / _HERTZ


def resident_bytes(pid: int) -> int:
    """Tell how much memory of a process is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
