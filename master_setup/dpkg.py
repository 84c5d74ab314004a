"""What dpkg and apt know: packages, the paths they own, and what appears beside them when they are installed."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from master_setup.machine import Machine

INFO: Final = "/var/lib/dpkg/info"
# Where package scripts leave files that no package owns. Logs and caches may differ after a revert.
WATCHED: Final = ("/etc", "/opt", "/srv", "/usr/local", "/var/lib", "/var/spool", "/var/mail", "/var/opt")
# dpkg's and apt's own state, and ours.
UNWATCHED: Final = ("/var/lib/dpkg", "/var/lib/apt", "/var/lib/grape", "/opt/grape", "/etc/grape")


def installed(machine: Machine) -> dict[str, str]:
    """Return the versions of all packages that are installed, or were begun to be; names as apt-get takes them:
    with the architecture only where it is not the machine's own."""
    out = machine.run("dpkg-query", "--show", "--showformat=${binary:Package}\t${db:Status-Status}\t${Version}\n")
    native = architecture(machine)
    found: dict[str, str] = {}
    for line in out.stdout.splitlines():
        name, _, rest = line.partition("\t")
        status, _, version = rest.partition("\t")
        if status not in ("not-installed", "config-files"):
            found[name.removesuffix(f":{native}")] = version
    return found


def architecture(machine: Machine) -> str:
    """Return the machine's own architecture, as dpkg calls it."""
    return machine.run("dpkg", "--print-architecture").stdout.strip()


def complete(machine: Machine) -> frozenset[str]:
    """Return the packages that are wholly installed, by their names without architecture."""
    out = machine.run("dpkg-query", "--show", "--showformat=${Package}\t${db:Status-Status}\n")
    pairs = (line.split("\t") for line in out.stdout.splitlines())
    return frozenset(pair[0] for pair in pairs if pair[1:] == ["installed"])


def manual(machine: Machine) -> frozenset[str]:
    """Return the packages that somebody asked for by name; named as by :func:`installed`."""
    native = architecture(machine)
    return frozenset(name.removesuffix(f":{native}") for name in machine.run("apt-mark", "showmanual").stdout.split())


def owned(machine: Machine, *, without: Collection[str] = ()) -> frozenset[str]:
    """Return all paths that belong to a package; ``without`` those that belong to none but these packages."""
    native = architecture(machine)
    paths: set[str] = set()
    for file in machine.names(INFO):
        if file.endswith(".list") and file.removesuffix(".list").removesuffix(f":{native}") not in without:
            paths.update(machine.text(f"{INFO}/{file}").split("\n"))
    return frozenset(paths)


def walk(machine: Machine) -> frozenset[str]:
    """Return all paths below the watched folders; links are not followed."""
    paths: set[str] = set()
    for top in WATCHED:
        for folder, folders, files in os.walk(machine.path(top)):
            here = "/" + str(Path(folder).relative_to(machine.root))
            folders[:] = [each for each in folders if f"{here}/{each}" not in UNWATCHED]
            paths.update(f"{here}/{each}" for each in (*folders, *files))
    return frozenset(paths)
