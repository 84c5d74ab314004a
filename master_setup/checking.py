"""Whether the machine is as it was set up, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from graped.api.client import Client
from graped.errors import CommandFailed, GrapeError
from master_setup import configuration
from master_setup.machine import Machine
from master_setup.planning import Wanted
from master_setup.record import Record
from master_setup.wants import Unit

GRAPED: Final = "/opt/grape/venv/bin/graped"
SOCKET: Final = "/run/grape/graped.sock"
CHECK_S: Final = 60.0
BAD_CONFIG: Final = 2  # graped's exit code
SERVERS: Final = ["grape-dnsmasq.service", "grape-nfs.service"]


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
    names += SERVERS  # graped starts them; one that systemd has given up is not well
    found = []
    for name in dict.fromkeys(names):
        state = machine.says("systemctl", "is-active", name) or "unknown"
        if state == "failed" or (name == "graped.service" and state != "active"):
            hint = f"systemctl start {name}" if state == "inactive" else f"journalctl --unit {name} --lines 20"
            found.append(Finding(name=name, detail=f"{name} is {state}", hint=hint))
    return found


def _configuration(machine: Machine) -> list[Finding]:
    try:
        told = machine.run(
            GRAPED, "--check-config", configuration.FILE, timeout_s=CHECK_S, expect=frozenset({0, BAD_CONFIG})
        )
    except CommandFailed as error:
        return [Finding(name="configuration", detail=str(error), hint=f"{GRAPED} --check-config {configuration.FILE}")]
    if told.code == 0:
        return []
    return [
        Finding(name="configuration", detail=told.stdout.strip(), hint="Put it right, then systemctl reload graped.")
    ]


def _answer(machine: Machine) -> list[Finding]:
    socket = str(configuration.value(machine, "api", "socket", SOCKET))
    try:
        version = Client(machine.path(socket)).get("/v1/version")
    except GrapeError as error:
        return [Finding(name="api", detail=str(error), hint=error.hint)]
    if not isinstance(version, dict) or "version" not in version:
        return [Finding(name="api", detail=f"{socket} answers, but not as graped does", hint="See what listens there.")]
    return []
