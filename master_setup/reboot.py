"""Whether the machine has to be started again: noted where a start takes the note away."""

from __future__ import annotations

from typing import Final

from graped.files import write_atomic
from master_setup.machine import Machine

NOTE: Final = "/run/grape-setup/reboot-needed"


def note(machine: Machine, reason: str) -> None:
    """Note a reason."""
    path = machine.path(NOTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(f"{line}\n" for line in dict.fromkeys((*reasons(machine), reason))))


def reasons(machine: Machine) -> tuple[str, ...]:
    """Return why it has to be started again; none where it has not."""
    return tuple(machine.text(NOTE).splitlines())
