"""What the kernel knows of a machine beside ours: does it answer ARP, and behind which port of a bridge is it.

The kernel asks by itself when something is sent: look right after a ping. By netlink; nothing is parsed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from socket import AF_BRIDGE, AF_INET
from typing import Any, Final

from graped.network.arp import Own

FDB_STATIC: Final = 0x40 | 0x80  # NUD_NOARP, NUD_PERMANENT: a port's own address. Source: linux/neighbour.h
IFF_UP: Final = 0x1  # Source: netdevice(7)
IFF_NOARP: Final = 0x80
ARPHRD_ETHER: Final = 1  # Source: linux/if_arp.h


class Arp(StrEnum):
    """What came of asking a machine for its MAC."""

    ANSWERS = "answers"  # it did within the last half minute, or was noted by hand
    SEEN = "seen"  # it did, a while ago
    ASKED = "asked"  # no answer yet
    SILENT = "silent"  # it does not answer


# Source: linux/neighbour.h
_STATES: Final = {
    0x01: Arp.ASKED, 0x02: Arp.ANSWERS, 0x04: Arp.SEEN, 0x08: Arp.SEEN, 0x10: Arp.SEEN, 0x20: Arp.SILENT,
    0x40: Arp.ANSWERS, 0x80: Arp.ANSWERS,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One address on one of our interfaces; ``mac`` is "" where it is not known."""

    address: IPv4Address
    interface: str
    mac: str
    arp: Arp


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """The port of a bridge behind which a MAC was seen; ``carrier``: something is at the other end of it."""

    name: str
    carrier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All that was known at one moment; ``down``: our interfaces that are not up, or have nobody at the other end."""

    neighbours: Mapping[IPv4Address, Neighbour] = field(default_factory=dict)
    ports: Mapping[str, Port] = field(default_factory=dict)  # by MAC
    down: Collection[str] = frozenset()
    own: Collection[Own] = ()  # our own addresses on Ethernet


def surroundings() -> Surroundings:
    """Ask the kernel for everything at once. Raises: OSError."""
    from pyroute2 import IPRoute  # late: it costs half a second on a Pi, and graped starts without it

    with IPRoute() as netlink:
        links = {int(one["index"]): one for one in netlink.get_links()}
        names = {index: str(one.get_attr("IFLA_IFNAME")) for index, one in links.items()}
        macs = {index: str(one.get_attr("IFLA_ADDRESS") or "") for index, one in links.items() if is_ethernet(one)}
        carriers = {index: one.get_attr("IFLA_CARRIER") == 1 for index, one in links.items()}
        found = [
            _neighbour(message, names)
            for message in netlink.get_neighbours(family=AF_INET)
            if message.get_attr("NDA_DST") and message["ifindex"] in names and message["state"] in _STATES
        ]
        ports = {
            str(mac).lower(): Port(name=names[message["ifindex"]], carrier=carriers[message["ifindex"]])
            for message in netlink.get_neighbours(family=AF_BRIDGE)
            if (mac := message.get_attr("NDA_LLADDR"))
            and message["ifindex"] in names
            and not message["state"] & FDB_STATIC
        }
        down = frozenset(
            names[index] for index, one in links.items() if not (one["flags"] & IFF_UP and carriers[index])
        )  # fmt: skip
        own = tuple(
            Own(interface=names[message["index"]], mac=macs[message["index"]], address=_interface(message))
            for message in netlink.get_addr(family=AF_INET)
            if macs.get(message["index"])
        )
    return Surroundings(neighbours={one.address: one for one in found}, ports=ports, down=down, own=own)


def _interface(message: Any) -> IPv4Interface:
    # IFA_LOCAL is our own address also on point-to-point links, where IFA_ADDRESS is the other end's
    return IPv4Interface((str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")), message["prefixlen"]))


def is_ethernet(link: Any) -> bool:
    """Whether ARP is spoken on a link."""
    return bool(link["ifi_type"] == ARPHRD_ETHER and not link["flags"] & IFF_NOARP)


def _neighbour(message: Any, names: Mapping[int, str]) -> Neighbour:
    return Neighbour(
        address=IPv4Address(message.get_attr("NDA_DST")),
        interface=names[message["ifindex"]],
        mac=str(message.get_attr("NDA_LLADDR") or "").lower(),
        arp=_STATES[message["state"]],
    )
