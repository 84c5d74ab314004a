"""Whether systemd would end, with graped, the servers that graped has started."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from graped.errors import ServerError
from graped.netboot.systemd import ASK_S
from graped.runner import Runner

CGROUP: Final = Path("/proc/self/cgroup")
SPARING: Final = ("process", "none")  # values of KillMode= that leave others alone. Source: systemd.kill(5)
_UNIT: Final = re.compile(r"/([^/\s]+\.service)$", re.MULTILINE)


def check(runner: Runner, cgroup: Path = CGROUP) -> None:
    """Raise ServerError where we run in a service whose end is the end of all that was started in it."""
    unit = of(cgroup.read_text(encoding="ascii", errors="replace"))
    if not unit:
        return
    asked = ("systemctl", "show", "--property=KillMode", "--value", unit)
    if (mode := runner.run(asked, timeout_s=ASK_S).stdout.strip()) in SPARING:
        return
    raise ServerError(
        f'netboot.supervisor is "process", but graped runs in {unit} with KillMode={mode}: servers would end with it',
        hint='Set netboot.supervisor = "systemd".',
    )


def of(cgroups: str) -> str:
    """Name the system service that /proc/PID/cgroup tells; "" where it is none. Pure."""
    found = next((line for line in cgroups.splitlines() if "/system.slice/" in line), "")
    match = _UNIT.search(found)
    return match[1] if match else ""
