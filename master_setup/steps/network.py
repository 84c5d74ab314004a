"""The cluster's interface gets its static address from whoever manages the machine's network."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface
from typing import Final

from master_setup import links
from master_setup.facts import Facts
from master_setup.links import BadNetwork, Link, Manager
from master_setup.look_network import SERVERS
from master_setup.options import Options
from master_setup.wants import Want
from master_setup.wants.network import Address, Guard, file_wants

NAME = "network"
SUMMARY = "the master's address on the cluster's network"
DEFAULT_ADDRESS: Final = "10.77.0.1/24"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing: the manager is there, or there is none."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the files of the interface's manager, and the address. Raises BadNetwork where that cannot be."""
    if not options.interface:
        return ()
    network, name = facts.network, options.interface
    link = links.cluster_link(network, name) if facts.booted else Link(name=name)
    address = cluster_address(facts, options)
    if str(address) in link.addresses and not network.ours:
        return ()  # somebody else's doing, and as it has to be
    manager = _manager(facts, name, address)
    files = file_wants(manager, name, address, parts=network.sources_parts)
    if not facts.booted:
        return files
    about = {"interface": name, "address": str(address), "manager": manager.value}
    guard = Guard(**about, parts=network.sources_parts, within_s=options.confirm_s)
    return [guard, *files, Address(**about)]


def cluster_address(facts: Facts, options: Options) -> IPv4Interface:
    """Return the master's address on the cluster. Raises BadNetwork."""
    return links.cluster_address(facts.network, options.interface, options.address or DEFAULT_ADDRESS)


def uplink(facts: Facts, options: Options) -> str:
    """Return the interface that leads to the world; "" where there is none, or none beside the cluster's."""
    known = (options.uplink, facts.network.default_route)
    return next((name for name in known if name and name != options.interface), "")


def notes(facts: Facts, options: Options) -> Sequence[str]:
    """Say what the administrator has to know or to do."""
    network, name = facts.network, options.interface
    if not name:
        fit = ", ".join(links.candidates(network))
        return [f"The network is left alone. With --interface NAME nodes are served there: {fit or 'none'} would do."]
    said = []
    if str(cluster_address(facts, options)) in network.address_texts(name) and not network.ours:
        said += [f"{name} has its address already; it is left to whoever gave it."]
    else:
        said += [
            f"{name} carries {what}: what it has now goes, and comes back if nobody confirms."
            for what, carrier in (("the default route", network.default_route), ("this SSH session", network.ssh))
            if carrier == name
        ]
    address = cluster_address(facts, options).ip
    said += [
        f"{server} runs and must not serve {name}: {SERVERS[server].format(name, address)}."
        for server in network.conflicts
    ]
    return said


def _manager(facts: Facts, name: str, address: IPv4Interface) -> Manager:
    """Return who gives the address. Raises BadNetwork with what has to be done by hand."""
    evidence = facts.network.evidence
    manager = links.manager_of(name, evidence)
    by_hand = f"Give {name} the address {address} yourself, for ever; then call this again."
    if manager is None:
        who = " and ".join(evidence.others) or "nobody that is known here"
        raise BadNetwork(f"{who} manages the network of this machine", hint=by_hand)
    if manager is Manager.IFUPDOWN and name in evidence.stanzas:
        raise BadNetwork(
            f"/etc/network/interfaces says already what {name} is",
            hint=f"Take its stanza out, or: {by_hand[0].lower()}{by_hand[1:]}",
        )
    return manager
