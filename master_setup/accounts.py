"""Users and groups as the machine's own files tell them. Pure, but for reading the two files."""

from __future__ import annotations

from master_setup.machine import Machine


def uid(machine: Machine, name: str) -> int | None:
    """Return a user's number, or None where there is no such user."""
    return _number(machine.text("/etc/passwd"), name, 2)


def gid(machine: Machine, name: str) -> int | None:
    """Return a group's number, or None where there is no such group."""
    return _number(machine.text("/etc/group"), name, 2)


def known(machine: Machine, name: str) -> bool:
    """Tell whether there is such a user, here or in a directory that the machine asks."""
    return uid(machine, name) is not None or machine.succeeds("getent", "passwd", name)


def users(machine: Machine) -> frozenset[str]:
    """Return the names of all local users."""
    return frozenset(line.split(":")[0] for line in machine.text("/etc/passwd").splitlines() if ":" in line)


def groups(machine: Machine) -> frozenset[str]:
    """Return the names of all local groups."""
    return frozenset(line.split(":")[0] for line in machine.text("/etc/group").splitlines() if ":" in line)


def members(machine: Machine, group: str) -> frozenset[str]:
    """Return who is named in a group; those whose first group it is are not."""
    for line in machine.text("/etc/group").splitlines():
        name, _, rest = line.partition(":")
        if name == group:
            return frozenset(filter(None, rest.rpartition(":")[2].split(",")))
    return frozenset()


def home(machine: Machine, name: str) -> str | None:
    """Return a user's home folder, or None where there is no such user."""
    for line in machine.text("/etc/passwd").splitlines():
        parts = line.split(":")
        if parts[0] == name and len(parts) > 5:
            return parts[5]
    return None


def _number(text: str, name: str, place: int) -> int | None:
    for line in text.splitlines():
        parts = line.split(":")
        if parts[0] == name and len(parts) > place and parts[place].isdigit():
            return int(parts[place])
    return None
