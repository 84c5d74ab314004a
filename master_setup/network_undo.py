"""Network changes that nobody confirms are taken back: by a timer of systemd, also after a reboot.

What has to be done is a script for sh, made before the change: it needs nothing of ours, and no Python.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from graped.files import remove_tree, write_atomic
from master_setup.machine import Machine
from master_setup.netfiles import Argv
from master_setup.record import FOLDER, make_folders

ROOM: Final = f"{FOLDER}/network-undo"
SCRIPT: Final = f"{ROOM}/undo.sh"
ABOUT: Final = f"{ROOM}/about.json"
NAME: Final = "grape-network-undo"
TIMER: Final = f"{NAME}.timer"
UNITS: Final = "/etc/systemd/system"
UNIT_FILES: Final = (f"{UNITS}/{NAME}.service", f"{UNITS}/{TIMER}")
LINK: Final = f"{UNITS}/timers.target.wants/{TIMER}"
SERVICE_TEXT: Final = f"""\
# Written by Grape's master_setup; goes with "grape-setup confirm".
[Unit]
Description=Grape: take back network changes that nobody confirmed

[Service]
Type=oneshot
ExecStart=/bin/sh {SCRIPT}
"""
HEAD: Final = """\
#!/bin/sh
# Written by Grape's master_setup: takes the network back to what it was. Can be run again.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A change that waits for its confirmation."""

    interface: str
    address: str
    left_s: int


def timer_text(within_s: int) -> str:
    """Return the timer: it counts from the change, and after a reboot from there."""
    return f"""\
# Written by Grape's master_setup; goes with "grape-setup confirm".
[Unit]
Description=Grape: take back network changes that nobody confirmed in {within_s} s

[Timer]
OnActiveSec={within_s}
AccuracySec=1

[Install]
WantedBy=timers.target
"""


def script(
    before: Iterable[Argv], files: Sequence[tuple[str, str | None]], after: Iterable[Argv], last: Iterable[Argv]
) -> str:
    """Return the script. ``files``: path and where its bytes are kept; None where there was no file."""
    lines = [*map(shlex.join, before)]
    for path, kept in files:
        lines += [f"rm -f -- {shlex.quote(path)}" if kept is None else shlex.join(("cp", "-p", "--", kept, path))]
    lines += [*map(shlex.join, after), *map(shlex.join, last)]
    lines += [f"systemctl disable {TIMER}", shlex.join(("rm", "-f", "--", *UNIT_FILES))]
    lines += ["systemctl daemon-reload", f"systemctl stop {TIMER}", f"rm -rf -- {ROOM}"]
    return HEAD + "".join(f"{line}\n" for line in lines) + "exit 0\n"


def arm(machine: Machine, about: Pending, paths: Iterable[str], commands: tuple[Iterable[Argv], ...]) -> None:
    """Have the network taken back in ``about.left_s``. ``commands``: before the files go, after, and at the end."""
    make_folders(machine)
    room = machine.path(ROOM)
    remove_tree(room)
    room.mkdir(0o700)
    files: list[tuple[str, str | None]] = []
    for number, path in enumerate(paths):
        there = machine.path(path)
        kept = f"{ROOM}/{number}"
        if there.is_file():
            machine.run("cp", "-p", "--", str(there), str(machine.path(kept)))
        files.append((path, kept if there.is_file() else None))
    before, after, last = commands
    write_atomic(machine.path(SCRIPT), script(before, files, after, last), mode=0o700)
    for path, text in zip(UNIT_FILES, (SERVICE_TEXT, timer_text(about.left_s)), strict=True):
        write_atomic(machine.path(path), text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", TIMER)
    machine.run("systemctl", "restart", TIMER)
    until = {"interface": about.interface, "address": about.address, "within_s": about.left_s}
    write_atomic(machine.path(ABOUT), json.dumps({**until, "uptime_s": _uptime_s(machine)}), mode=0o600)


def armed(machine: Machine) -> bool:
    """Tell whether a change waits for its confirmation."""
    return machine.exists(ABOUT) and machine.exists(UNIT_FILES[1])


def pending(machine: Machine) -> Pending | None:
    """Return what waits for its confirmation, and how long it still waits."""
    if not armed(machine):
        return None
    raw = json.loads(machine.text(ABOUT))
    now, then = _uptime_s(machine), int(raw["uptime_s"])
    passed = now - then if now >= then else now  # since the reboot
    left_s = max(0, int(raw["within_s"]) - passed)
    return Pending(interface=raw["interface"], address=raw["address"], left_s=left_s)


def disarm(machine: Machine) -> None:
    """Keep the network as it is. What is not armed is fine."""
    if machine.booted and any(map(machine.exists, UNIT_FILES)):
        machine.succeeds("systemctl", "disable", "--now", TIMER)
    for path in (*UNIT_FILES, LINK):
        machine.path(path).unlink(missing_ok=True)
    if machine.booted:
        machine.succeeds("systemctl", "daemon-reload")
    remove_tree(machine.path(ROOM))


def _uptime_s(machine: Machine) -> int:
    words = machine.text("/proc/uptime").split()
    return int(float(words[0])) if words else 0
