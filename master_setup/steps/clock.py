"""The nodes' time server: chrony, which serves them also where the master itself has nobody to ask."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import network
from master_setup.wants import File, Unit, Want

NAME = "clock"
SUMMARY = "time for the nodes"
PATH: Final = "/etc/chrony/conf.d/grape.conf"
UNIT: Final = "chrony.service"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need chrony, but where the administrator has another time server."""
    return ("chrony",) if options.interface and not facts.services.clock else ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want chrony to serve the cluster."""
    if not options.interface or facts.services.clock:
        return ()
    then = ("systemctl", "try-restart", UNIT) if facts.booted else ()
    text = config(network.cluster_address(facts, options).network)
    return [
        File(path=PATH, content=text, then=then),
        Unit(name=UNIT, enabled=True, running=True if facts.services.may_set_clock else None),
    ]


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say where somebody else has to do it."""
    if not options.interface:
        return ()
    if facts.services.clock:
        net = network.cluster_address(facts, options).network
        return [f"{facts.services.clock} keeps the time here, and stays: have it answer {net}."]
    if not facts.services.may_set_clock:
        return ["This machine may not set its clock (a container): chrony does not run, and nodes get no time from it."]
    return ()


def config(net: IPv4Network) -> str:
    """Return what chrony reads beside its own. Source: chrony.conf(5)."""
    return f"""\
# Written by Grape's master_setup: this machine is the clock of the cluster.
allow {net}
# Nodes agree on this machine's time also while it can ask nobody; a server that knows better is always preferred.
local stratum 10
# A Raspberry Pi without a clock starts in the past: the first answers set the time at once.
makestep 1 3
"""
