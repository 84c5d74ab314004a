"""Whole processes from start to end: ``grapecli status``, ``python3 -c pass``, and powerman's ``pm -q``."""

from __future__ import annotations

import contextlib
import math
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

import grapecli
from tests.bench.daemons import graped, wait_until
from tests.bench.rows import Row, median, ratio_row

STACKS = 8  # 48 slots
AIM = 5.0
CAUSE = "most of it is the import of click and of what click imports (inspect, typing, enum, uuid), paid at each start"
PM = "pm -q"
STATUS = "grapecli status"
PASS = "python3 -c pass"
BARE = "python3 -S -c pass"
BARE_STATUS = "grapecli status under python3 -S"
_PLACES = (str(Path(click.__file__).parents[1]), str(Path(grapecli.__file__).parents[1]))
_MAIN = f"import sys; sys.path[:0] = {_PLACES!r}; from grapecli.__main__ import main; sys.exit(main())"
POWERMAN = ("powermand", "pm", "vpcd")
GIVE_UP_S = 15.0
_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"

Argv = tuple[str, ...]


def measure(room: Path, rounds: int, many: int) -> list[Row]:
    """Run each of them ``rounds`` times, in turn, alone and many at a time."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(graped(room / "status", STACKS))
        ask = ("--socket", str(daemon.socket), "status")
        commands: dict[str, Argv] = {
            STATUS: (str(Path(sys.executable).with_name("grapecli")), *ask),
            PASS: (sys.executable, "-c", "pass"),
            BARE_STATUS: (sys.executable, "-S", "-c", _MAIN, *ask),
            BARE: (sys.executable, "-S", "-c", "pass"),
        }
        pm = stack.enter_context(powerman(room)) if all(map(found, POWERMAN)) else None
        if pm is not None:
            commands[PM] = pm
        rows = [row for clients in (1, many) for row in _rows(_in_turn(commands, clients, rounds), clients)]
    if pm is None:
        rows.append(Row(what=f"{STATUS} beside {PM}", figure="not measured: powerman is not installed"))
    return rows


def _rows(took: Mapping[str, list[float]], clients: int) -> Iterator[Row]:
    """Compare; a query that was never answered counts as the longest."""
    who = "1 client" if clients == 1 else f"{clients} clients"
    what, aim = f"{STATUS}, 48 slots, {who}", AIM if clients == 1 else None
    if math.inf in took[STATUS]:
        raise SystemExit(f"{STATUS} was not answered within {GIVE_UP_S:g} s")
    figure = median(took[STATUS])
    yield ratio_row(what, figure, PASS, median(took[PASS]), at_most=aim, cause=CAUSE)
    bare = f"the same, {who}, without what a development venv hooks into every start"
    yield ratio_row(bare, median(took[BARE_STATUS]), BARE, median(took[BARE]), at_most=aim, cause=CAUSE)
    if PM in took:
        lost = took[PM].count(math.inf)
        name = f"{PM}, powerman with 48 plugs" + (f" ({lost} of {len(took[PM])} never answered)" if lost else "")
        yield ratio_row(what, figure, name, min(median(took[PM]), GIVE_UP_S))


def _in_turn(commands: Mapping[str, Argv], clients: int, rounds: int) -> dict[str, list[float]]:
    """Take turns, so that whatever else this machine does hits all of them alike."""
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(max(1, rounds // 8) if clients > 1 else rounds):
        for name, argv in commands.items():
            took[name] += _at_once(argv, clients)
    return took


def _at_once(argv: Argv, clients: int) -> list[float]:
    """Run a command so many times at once; give how long each took."""
    took: list[float] = []
    threads = [threading.Thread(target=lambda: took.append(_run(argv))) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(took) < clients:
        raise SystemExit(f"{argv[0]} failed")
    return took


def _run(argv: Argv) -> float:
    """Give how long a command took, infinity where it had no end: powermand forgets some of many clients."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    try:
        subprocess.run(argv, stdin=quiet, stdout=quiet, check=True, timeout=GIVE_UP_S)
    except subprocess.TimeoutExpired:
        return math.inf
    return time.perf_counter() - began


@contextlib.contextmanager
def powerman(room: Path) -> Iterator[Argv]:
    """Run powermand on three of its simulated controllers, 16 plugs each; give the query."""
    port = _free_port()
    config = room / "powerman.conf"
    lines = [f'listen "127.0.0.1:{port}"', 'include "/etc/powerman/vpc.dev"']
    for number in range(3):
        first = number * 16
        lines.append(f'device "vpc{number}" "vpc" "{found("vpcd")} |&"')
        lines.append(f'node "slot[{first + 1}-{first + 16}]" "vpc{number}" "[0-15]"')
    config.write_text("\n".join(lines) + "\n")
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(
        (str(found("powermand")), "-f", "-c", str(config)), stdin=quiet, stdout=quiet, stderr=quiet
    )
    query = (str(found("pm")), "-h", f"127.0.0.1:{port}", "-q")
    try:
        wait_until(lambda: _sees_all(query), "powerman's 48 plugs", 0.2)
        yield query
    finally:
        running.terminate()
        running.wait(10)


def _sees_all(query: Argv) -> bool:
    done = subprocess.run(query, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GIVE_UP_S)
    return done.returncode == 0 and "slot[1-48]" in done.stdout


def found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_PATHS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
