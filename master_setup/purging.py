"""Which of the packages that came with us can go: not what somebody else has come to need since."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from master_setup import dpkg
from master_setup.machine import Machine

PURGE_S: Final = 120.0


def removable(machine: Machine, gained: Iterable[str], asked: Collection[str]) -> tuple[list[str], list[str]]:
    """Return which of the gained packages go, and which stay.

    ``asked`` are those that we named to apt; another one that is marked as asked for was wanted by an administrator.
    """
    there = dpkg.installed(machine)
    ours = [name for name in gained if name in there]
    wanted = dpkg.manual(machine) - set(asked)
    going = [name for name in ours if name not in wanted]
    if removed(machine, going) - set(ours) or wanted & set(ours):
        going = [name for name in going if removed(machine, [name]) <= set(going)]
    if removed(machine, going) - set(going):
        going = []
    return going, [name for name in ours if name not in going]


def removed(machine: Machine, names: Collection[str]) -> set[str]:
    """Ask apt what a purge of some packages would remove; nothing is changed."""
    if not names:
        return set()
    out = machine.run("apt-get", "--simulate", "--quiet", "purge", *names, timeout_s=PURGE_S)
    lines = (line.split() for line in out.stdout.splitlines())
    native = dpkg.architecture(machine)
    return {words[1].removesuffix(f":{native}") for words in lines if words[:1] in (["Purg"], ["Remv"])}
