"""What the machine's network interfaces are, and who was seen on them: by netlink, nothing is parsed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from socket import AF_INET
from typing import Any, Final

from pyroute2 import IPRoute

IFF_UP: Final = 0x1  # Source: netdevice(7)
NUD_SEEN: Final = 0x02 | 0x04 | 0x08 | 0x10  # reachable, stale, delay, probe. Source: linux/neighbour.h
MAIN_TABLE: Final = 254  # Source: linux/rtnetlink.h


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkInfo:
    """One network interface. ``up`` as it was set; ``carrier``: something is at the other end."""

    name: str
    index: int
    mac: str  # lower case, colons; "" where it has none
    up: bool
    carrier: bool
    addresses: tuple[IPv4Interface, ...]
    carries_default_route: bool


def link(name: str) -> LinkInfo | None:
    """Describe an interface; None where there is none of this name. Raises: OSError."""
    with IPRoute() as netlink:
        found = netlink.link_lookup(ifname=name)
        if not found:
            return None
        index = int(found[0])
        (message,) = netlink.get_links(index)
        return LinkInfo(
            name=name,
            index=index,
            mac=str(message.get_attr("IFLA_ADDRESS") or "").lower(),
            up=bool(message["flags"] & IFF_UP),
            carrier=message.get_attr("IFLA_CARRIER") == 1,
            addresses=_addresses(netlink.get_addr(family=AF_INET, index=index)),
            carries_default_route=index in _default_routes(netlink.get_routes(family=AF_INET)),
        )


def neighbours(name: str) -> dict[IPv4Address, str]:
    """Return who was seen on an interface (ARP): address -> MAC. Who went away silently stays for a while."""
    with IPRoute() as netlink:
        found = netlink.link_lookup(ifname=name)
        if not found:
            return {}
        messages = netlink.get_neighbours(family=AF_INET, ifindex=int(found[0]))
        return {
            IPv4Address(message.get_attr("NDA_DST")): str(mac).lower()
            for message in messages
            if message["state"] & NUD_SEEN and (mac := message.get_attr("NDA_LLADDR"))
        }


def _addresses(messages: Iterable[Any]) -> tuple[IPv4Interface, ...]:
    # IFA_LOCAL is our own address also on point-to-point links, where IFA_ADDRESS is the other end's
    return tuple(IPv4Interface((_own(message), message["prefixlen"])) for message in messages)


def _own(message: Any) -> str:
    return str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))


def _default_routes(messages: Iterable[Any]) -> frozenset[int]:
    """Collect the interfaces of all default routes, also of those with several ways."""
    found: set[int] = set()
    for message in messages:
        if message["dst_len"] or message.get_attr("RTA_TABLE", message["table"]) != MAIN_TABLE:
            continue
        ways = message.get_attr("RTA_MULTIPATH") or ()
        found.update(int(way["oif"]) for way in ways)
        if (single := message.get_attr("RTA_OIF")) is not None:
            found.add(int(single))
    return frozenset(found)
