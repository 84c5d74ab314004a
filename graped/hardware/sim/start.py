"""Find the rack of a state directory, or start one; end it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import graped
from graped.errors import HardwareError
from graped.hardware.sim.blueprint import RackPlan
from graped.hardware.sim.client import SimControl
from graped.hardware.sim.faultfile import FaultFile, read_fault_file
from graped.hardware.sim.wire import LOG_FILE, PID_FILE, PROTOCOL

_TRIES_S = 10.0  # a loaded machine is slow to start a process
_PAUSE_S = 0.02


def start(state_dir: Path, plan: RackPlan, *, trace: Path | None = None, faults_file: Path | None = None) -> SimControl:
    """Connect to the running rack or start one, and give it plan, trace and faults.

    Raises ConfigError for a fault file with mistakes, HardwareError when no rack comes up.
    """
    faults = FaultFile() if faults_file is None else read_fault_file(faults_file)
    state_dir = state_dir.absolute()
    state_dir.mkdir(parents=True, exist_ok=True)
    control = _reach(state_dir)
    control.trace_to(trace)
    control.apply(plan)
    control.file_faults(faults.faults, faults.seed)
    return control


def find(state_dir: Path) -> SimControl | None:
    """Connect to the running rack, if there is one that answers."""
    control = SimControl(state_dir.absolute())
    try:
        protocol = control.hello()["protocol"]
    except HardwareError:
        return None
    if protocol == PROTOCOL:
        return control
    control.close()
    raise HardwareError(
        f"the simulated rack in {state_dir} is of another version of grape",
        hint="End it with graped --sim-stop --state-dir DIR; its simulated nodes lose their power.",
    )


def stop(state_dir: Path) -> bool:
    """End the rack of a state directory and wait until it has gone; tell whether there was one."""
    control = SimControl(state_dir.absolute())
    try:
        control.stop()
    except HardwareError:
        return False
    deadline = time.monotonic() + _TRIES_S
    while (state_dir / PID_FILE).exists() and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return True


def _reach(state_dir: Path) -> SimControl:
    deadline = time.monotonic() + _TRIES_S
    while True:
        control = find(state_dir)
        if control is not None:
            return control
        if time.monotonic() > deadline:
            raise HardwareError(
                f"the simulated rack in {state_dir} does not come up", hint=f"See {state_dir / LOG_FILE}."
            )
        _launch(state_dir)
        time.sleep(_PAUSE_S)


def _launch(state_dir: Path) -> None:
    """Start the rack's process; it detaches itself, and ends at once where another one holds the lock."""
    package = str(Path(graped.__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH")) if part)
    with (state_dir / LOG_FILE).open("ab") as log, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            (sys.executable, "-m", "graped.hardware.sim", "--state-dir", str(state_dir)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
            timeout=_TRIES_S,
            check=False,
        )
