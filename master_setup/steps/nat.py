"""Nodes reach the world through the master."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from master_setup.facts import Facts
from master_setup.links import BadNetwork
from master_setup.options import Options
from master_setup.steps import natrules, network
from master_setup.wants import File, Unit, Want
from master_setup.wants.kernel import Sysctl

NAME = "nat"
SUMMARY = "nodes reach the world through this machine"
FIREWALLS: Final = {
    "ufw": "ufw allow in on {0}; ufw route allow in on {0} out on {1}",
    "firewalld": "firewall-cmd --permanent --zone=trusted --add-interface={0}; firewall-cmd --reload",
}


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nft."""
    return ("nftables",) if _uplink(facts, options) else ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the rules, the unit that loads them, and forwarding. Raises BadNetwork where no uplink is known."""
    uplink, cluster = _uplink(facts, options), options.interface
    if not uplink:
        return ()
    rules = natrules.rules(network.cluster_address(facts, options).network, cluster, uplink)
    reload = ("systemctl", "daemon-reload") if facts.booted else ()
    again = ("systemctl", "try-reload-or-restart", natrules.UNIT) if facts.booted else ()
    return [
        File(path=natrules.UNIT_FILE, content=natrules.unit(cluster, uplink), then=reload),
        File(path=natrules.RULES_FILE, content=rules, then=again),
        Unit(name=natrules.UNIT, enabled=True, running=True),
        File(path=natrules.SYSCTL_FILE, content=natrules.sysctl()),
        *([Sysctl(name=natrules.FORWARD, value="1")] if facts.booted else []),
    ]


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say what other firewalls have to be told, and why there is no NAT."""
    if not options.interface or options.nat is False:
        return ()
    uplink = _uplink(facts, options)
    if not uplink:
        return ["No uplink beside the cluster's interface is known: nodes reach this machine only (--uplink NAME)."]
    if facts.booted and facts.network.link(uplink) is None:
        return [f"There is no interface {uplink} now: nodes reach this machine only, until there is."]
    told = {name: text.format(options.interface, uplink) for name, text in FIREWALLS.items()}
    return [f"{name} is on and has to be told: {told[name]}" for name in facts.network.firewalls]


def _uplink(facts: Facts, options: Options) -> str:
    """Return the interface to the world; "" where NAT is not wanted, or nobody asked and there is none."""
    if not options.interface or options.nat is False:
        return ""
    uplink = network.uplink(facts, options)
    if not uplink and options.nat:
        raise BadNetwork("there is no uplink for NAT", hint="Name it: --uplink NAME, another one than --interface.")
    return uplink
