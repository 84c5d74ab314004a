"""Whether the machine is as it was set up, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.api.client import Client
from graped.errors import CommandFailed, GrapeError
from master_setup.machine import Machine
from master_setup.planning import Wanted
from master_setup.record import Record
from master_setup.wants import Unit

GRAPED: Final = "/opt/grape/venv/bin/graped"
CONFIG: Final = "/etc/grape/config.toml"
SOCKET: Final = "/run/grape/graped.sock"
CHECK_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not well: what, why, and what helps."""

    name: str
    detail: str
    hint: str = ""


def health(machine: Machine, wants: Sequence[Wanted], record: Record) -> list[Finding]:
    """Look at everything that has to run; all findings at once."""
    if not record.entries:
        return [Finding(name="setup", detail="this machine is not set up", hint="grape-setup apply")]
    found = []
    if machine.booted:
        found += _units(machine, wants)
    found += _configuration(machine)
    if machine.booted:
        found += _answer(machine)
    return found


def _units(machine: Machine, wants: Sequence[Wanted]) -> list[Finding]:
    names = [each.want.name for each in wants if isinstance(each.want, Unit) and each.want.enabled]
    found = []
    for name in dict.fromkeys(names):
        state = machine.says("systemctl", "is-active", name) or "unknown"
        if state == "failed" or (name == "graped.service" and state != "active"):
            hint = f"systemctl start {name}" if state == "inactive" else f"journalctl --unit {name} --lines 20"
            found.append(Finding(name=name, detail=f"{name} is {state}", hint=hint))
    return found


def _configuration(machine: Machine) -> list[Finding]:
    try:
        machine.run(GRAPED, "--check-config", CONFIG, timeout_s=CHECK_S)
    except CommandFailed as error:
        return [Finding(name="configuration", detail=str(error), hint=f"{GRAPED} --check-config {CONFIG}")]
    return []


def _answer(machine: Machine) -> list[Finding]:
    socket = machine.path(SOCKET)
    try:
        version = Client(Path(socket)).get("/v1/version")
    except GrapeError as error:
        return [Finding(name="api", detail=str(error), hint=error.hint)]
    if not isinstance(version, dict) or "version" not in version:
        return [Finding(name="api", detail=f"{SOCKET} answers, but not as graped does", hint="See what listens there.")]
    return []
