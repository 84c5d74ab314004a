"""The packages of all steps, installed at once."""

from __future__ import annotations

from collections.abc import Sequence

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import Packages, Want

NAME = "packages"
SUMMARY = "packages of the distribution"

# What each master needs. python3-venv makes the virtual environment; the rest serves and prepares nodes.
BASE = (
    "python3",
    "python3-venv",
    "dnsmasq-base",  # the program without Debian's own service
    "rpcbind",
    "dbus",  # by it graped has systemd run commands in images
    "e2fsprogs",
    "mtools",
    "mount",
    "util-linux",
    "iproute2",
    "openssh-client",
)


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Name what every master needs."""
    return BASE


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the packages of all steps together."""
    if not options.packages:
        return []
    from master_setup.steps import STEPS  # all steps, this one included

    names = dict.fromkeys(name for step in STEPS for name in step.packages(facts, options))
    return [Packages(names=tuple(names), debs=options.debs, offline=options.offline)]
