"""The machine's network as plain values: which interface may be the cluster's, who looks after it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Interface, ip_interface

from graped.errors import GrapeError


class Manager(StrEnum):
    """Who gives interfaces their addresses."""

    NETWORK_MANAGER = "NetworkManager"
    NETWORKD = "systemd-networkd"
    IFUPDOWN = "ifupdown"
    DHCPCD = "dhcpcd"


class BadNetwork(GrapeError):
    """The network that was asked for cannot be made on this machine."""

    code = "bad_network"
    title = "The cluster's network cannot be set up like this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface, as the kernel has it."""

    name: str
    mac: str = ""
    hardware: bool = True  # False: made by software (a bridge, one end of a pair)
    wireless: bool = False
    bridge: bool = False
    loopback: bool = False
    addresses: tuple[str, ...] = ()  # "10.77.0.1/24"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What tells who looks after an interface. Our own files are not counted."""

    network_manager: bool = False  # it runs (or, in a tree that becomes an image, will run)
    networkd: bool = False
    ifupdown: bool = False
    dhcpcd: bool = False
    unmanaged: tuple[str, ...] = ()  # interfaces that NetworkManager leaves alone
    stanzas: tuple[str, ...] = ()  # interfaces that /etc/network/interfaces names
    others: tuple[str, ...] = ()  # of whom we know nothing: connman, wicked


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The whole of it."""

    links: tuple[Link, ...] = ()
    default_route: str = ""  # interface; "" without one
    ssh: str = ""  # interface of the SSH session that runs us
    evidence: Evidence = Evidence()
    sources_parts: bool = True  # /etc/network/interfaces reads interfaces.d
    conflicts: tuple[str, ...] = ()  # running servers that may be in our way
    firewalls: tuple[str, ...] = ()  # running ones that drop what they were not told of
    ours: bool = False  # the cluster's interface was set up by us

    def link(self, name: str) -> Link | None:
        """Return an interface by its name."""
        return next((link for link in self.links if link.name == name), None)

    def address_texts(self, name: str) -> tuple[str, ...]:
        """Return the addresses of an interface; none where there is no such interface."""
        link = self.link(name)
        return link.addresses if link else ()


def manager_of(name: str, evidence: Evidence) -> Manager | None:
    """Tell who looks after an interface; None where we know nobody.

    A stanza in /etc/network/interfaces comes first: NetworkManager and dhcpcd leave such an interface alone.
    """
    if evidence.ifupdown and name in evidence.stanzas:
        return Manager.IFUPDOWN
    if evidence.network_manager and name not in evidence.unmanaged:
        return Manager.NETWORK_MANAGER
    if evidence.networkd:
        return Manager.NETWORKD
    if evidence.dhcpcd:
        return Manager.DHCPCD
    return Manager.IFUPDOWN if evidence.ifupdown and not evidence.others else None


def candidates(network: Network) -> tuple[str, ...]:
    """Return the interfaces that may become the cluster's without cutting somebody off."""
    fit = [
        link
        for link in network.links
        if not (link.loopback or link.wireless or link.bridge or link.name in (network.default_route, network.ssh))
    ]
    real = [link.name for link in fit if link.hardware]
    return tuple(
        real or [link.name for link in fit if not link.name.startswith(("veth", "docker", "br-", "tun", "wg"))]
    )


def cluster_link(network: Network, name: str) -> Link:
    """Return the interface that was asked for. Raises BadNetwork where there is none of this name."""
    link = network.link(name)
    if link is None:
        fit = ", ".join(candidates(network)) or "none of this machine's"
        raise BadNetwork(f"there is no interface {name}", hint=f"Plug it in, or take another: {fit} would do.")
    if link.loopback or link.wireless:
        raise BadNetwork(f"{name} is no Ethernet, over which nodes could boot", hint="Take a wired interface.")
    return link


def cluster_address(network: Network, name: str, text: str) -> IPv4Interface:
    """Return the master's address on the cluster. Raises BadNetwork where it does not fit."""
    address = _address(text)
    for link in network.links:
        if link.name == name:
            continue
        for other in map(ip_interface, link.addresses):
            if isinstance(other, IPv4Interface) and other.network.overlaps(address.network):
                raise BadNetwork(
                    f"{address.network} is also the network of {link.name} ({other})",
                    hint="Give the cluster a network of its own: --address 10.78.0.1/24.",
                )
    return address


def _address(text: str) -> IPv4Interface:
    hint = "Give the master's address with the length of its network: --address 10.77.0.1/24."
    try:
        address = IPv4Interface(text)
    except ValueError as error:
        raise BadNetwork(f"{text} is no IPv4 address with a network: {error}", hint=hint) from None
    net = address.network
    if net.prefixlen > 30 or address.ip in (net.network_address, net.broadcast_address):
        raise BadNetwork(f"{text} is no address that a machine can have on a network of nodes", hint=hint)
    return address
