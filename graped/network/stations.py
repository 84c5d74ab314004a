"""Which MAC addresses sent something on an interface, and how long ago: the bridge's table and ARP, by netlink."""

from __future__ import annotations

from socket import AF_INET
from typing import Any, Final

from pyroute2 import IPRoute

from graped.network.links import NUD_SEEN

_AF_BRIDGE: Final = 7  # Source: linux/socket.h
_PERMANENT: Final = 0x80  # NUD_PERMANENT: an address of the bridge's own ports. Source: linux/neighbour.h
_TICKS_A_S: Final = 100  # USER_HZ, in which the kernel tells ages to everybody


def stations(interface: str) -> dict[str, float]:
    """Give each MAC address and the seconds since it was heard; where the interface is no bridge, by ARP alone.

    Raises: OSError.
    """
    found: dict[str, float] = {}
    with IPRoute() as netlink:
        index = next(iter(netlink.link_lookup(ifname=interface)), None)
        if index is None:
            return {}
        for message in netlink.get_neighbours(family=AF_INET, ifindex=int(index)):
            if message["state"] & NUD_SEEN:
                _take(found, message, "ndm_confirmed")
        for message in netlink.fdb("dump"):
            if message.get_attr("NDA_MASTER") == index and not message["state"] & _PERMANENT:
                _take(found, message, "ndm_updated")
    return found


def _take(found: dict[str, float], message: Any, age: str) -> None:
    mac, times = message.get_attr("NDA_LLADDR"), message.get_attr("NDA_CACHEINFO")
    if mac and times:
        ago_s = float(times[age]) / _TICKS_A_S
        found[str(mac).lower()] = min(ago_s, found.get(str(mac).lower(), ago_s))
