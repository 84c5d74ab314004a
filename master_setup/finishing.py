"""The end of a revert: packages purged, what they left taken away, the record gone.

A script for sh, because python3 itself may be among the packages. It can be run again after a crash, by hand too:
each line does what is still to do. The lock is held until its end.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import GrapeError
from master_setup import gains, places, purging
from master_setup.machine import Machine
from master_setup.record import BACKUPS, FILE, FOLDER, Record
from master_setup.wants.packages import all_gained

SCRIPT: Final = f"{FOLDER}/finish.sh"
STATE: Final = "/var/lib/grape"
SWARM_STATE: Final = "/var/lib/grape-docker"
CONFIG: Final = "/etc/grape"
STATES: Final = ("/var/lib/", "/var/spool/")
HEAD: Final = """#!/bin/sh
# The end of "master_setup revert". Can be run again.
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
"""
FORGET: Final = """    # A unit that failed once and is gone now.
    gone=$(systemctl list-units --failed --plain --no-legend | sed -n 's/^\\([^ ]*\\) *not-found .*/\\1/p')
    [ -z "$gone" ] || systemctl reset-failed $gone"""
FAILED: Final = "{ echo 'grape-setup: this did not work; call revert again' >&2; exit 1; }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What goes at the end. ``paths`` as they stand, the deepest first."""

    packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # with all that is in them: where the packages' services keep their state
    stay: tuple[str, ...] = ()  # packages that somebody needs


def leaving(machine: Machine, record: Record) -> Leaving:
    """Find out what came with our packages and can go."""
    if "packages" in record.entries:
        memory = record.memory("packages")
        came = all_gained(machine, memory) if memory.was else {}
        asked = tuple(memory.entry.fields["names"])
    else:  # the script `install` brought python3, and nothing was applied
        start = gains.bootstrapped(machine)
        came = gains.between(machine, start, gains.snapshot(machine)) if start else {}
        asked = ("python3", "python3-venv")
    if not came:
        return Leaving()
    going, stay = purging.removable(machine, came["packages"], asked)
    if stay:  # they may need what came with them
        return Leaving(packages=tuple(going), stay=tuple(stay))
    return Leaving(
        packages=tuple(going),
        users=tuple(came["users"]),
        groups=tuple(came["groups"]),
        paths=tuple(sorted({*came["paths"], *came["folders"]}, reverse=True)),
        folders=_state_folders(machine, [*came["paths"], *came["folders"]]),
    )


def _state_folders(machine: Machine, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the folders of state, without those in them: what a service wrote there later is in no list."""
    found = sorted(path for path in paths if path.startswith(STATES) and _is_folder(machine, path))
    return tuple(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def _is_folder(machine: Machine, path: str) -> bool:
    return machine.path(path).is_dir() and not machine.path(path).is_symlink()


def script(machine: Machine, what: Leaving, *, keep: Collection[str] = (), purge: bool = False) -> str:
    """Render the script; ``keep`` names the backups that stay."""
    lines = []
    if what.packages:
        names = " ".join(map(shlex.quote, what.packages))
        lines += [f"echo 'purging {len(what.packages)} packages'"]
        # Those that are gone already, after a crash, would be an error: dpkg tells which are known.
        lines += [f"known=$(dpkg-query --show --showformat='${{binary:Package}}\\n' {names} 2>/dev/null)"]
        lines[-1] += f" || [ $? = 1 ] || {FAILED}"  # 1: some are gone already
        options = "-o DPkg::Lock::Timeout=300 --yes --quiet"
        # dpkg itself takes what a killed installation has left half unpacked; apt-get will not.
        by_dpkg = "dpkg --purge --force-remove-reinstreq $known"
        lines += [f'[ -z "$known" ] || apt-get {options} purge $known >/dev/null || {by_dpkg} || {FAILED}']
    for name in what.users:
        lines += [f"! getent passwd {shlex.quote(name)} >/dev/null || userdel {shlex.quote(name)} || {FAILED}"]
    for name in what.groups:
        lines += [f"! getent group {shlex.quote(name)} >/dev/null || groupdel {shlex.quote(name)} || {FAILED}"]
    for path in what.paths:
        if _is_folder(machine, path):
            lines += [f"rmdir -- {shlex.quote(path)} 2>/dev/null"]
        else:
            lines += [f"rm -f -- {shlex.quote(path)}"]
    lines += [f"rm -rf --one-file-system -- {shlex.quote(path)}" for path in what.folders]
    lines += ["if [ -d /run/systemd/system ]; then", "    systemctl daemon-reload", FORGET, "fi"]
    if purge:
        lines += [f"rm -rf --one-file-system -- {STATE} {SWARM_STATE} {CONFIG}"]
    elif keep:
        others = [f"{BACKUPS}/{name}" for name in machine.names(BACKUPS) if name not in keep]
        lines += [f"rm -rf -- {FILE} {FOLDER}/before {SCRIPT} {' '.join(map(shlex.quote, others))}"]
    else:
        lines += [f"rm -rf -- {FOLDER}", f"rmdir -- {STATE} 2>/dev/null"]
    return HEAD + "".join(f"{line}\n" for line in lines) + "exit 0\n"


def mounted_below(machine: Machine, folder: str) -> list[str]:
    """Return what is mounted in a folder."""
    points = (line.split()[1] for line in machine.text("/proc/self/mounts").splitlines() if " " in line)
    return [point for point in points if point.startswith(f"{folder}/")]


def write(machine: Machine, text: str) -> None:
    """Put the script where it is run, and where the next revert finds it."""
    places.put(machine.path(SCRIPT), text.encode(), mode=0o700, owner=None)


def become(machine: Machine, lock: int) -> None:
    """Go on as the script, in this process: its exit code is ours. Returns only on a replica, once it was run there."""
    if machine.root != Path("/"):
        machine.run("sh", str(machine.path(SCRIPT)))
        return
    os.set_inheritable(lock, True)
    os.execv("/bin/sh", ["/bin/sh", SCRIPT])  # noqa: S606  # a file of our own


def drop_empty(machine: Machine) -> None:
    """Take away a state folder with nothing in it, where there is no record: all that a run killed at once has made."""
    with contextlib.suppress(OSError):
        machine.path(STATE).rmdir()


def refuse_mounts(machine: Machine) -> None:
    """Raise GrapeError where a purge would reach into something mounted."""
    points = mounted_below(machine, STATE)
    if points:
        raise GrapeError(
            f"{', '.join(points[:3])} is mounted: nothing below {STATE} is removed",
            hint="Stop graped and unmount it, then call revert --purge again.",
        )
