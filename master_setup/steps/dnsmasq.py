"""Debian's own dnsmasq, where somebody uses it, stays off the cluster's interface: graped's serves there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.wants import File, Want

NAME = "dnsmasq"
SUMMARY = "the system's own dnsmasq stays off the cluster's interface"
PATH: Final = "/etc/dnsmasq.d/grape.conf"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: dnsmasq-base is among what every master has."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want a file for it, where it is installed."""
    if not facts.services.dnsmasq or not options.interface:
        return ()
    then = ("systemctl", "try-restart", "dnsmasq.service") if facts.booted else ()
    return [File(path=PATH, content=text(options.interface, dynamic=facts.services.dnsmasq_dynamic), then=then)]


def text(interface: str, *, dynamic: bool) -> str:
    """Return what keeps it off.

    Without the last line it takes port 53 of every address, also of those that it does not serve; where it is told
    bind-dynamic, that does the same, and the two together are an error.
    """
    head = "# Written by Grape's master_setup: graped's own dnsmasq serves the nodes.\n"
    return f"{head}except-interface={interface}\n" + ("" if dynamic else "bind-interfaces\n")
