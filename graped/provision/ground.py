"""Whether the cluster's interface is ours to serve DHCP on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from graped.config.types import Netboot

if TYPE_CHECKING:
    from graped.network.links import LinkInfo  # netlink costs a second on a Pi, and faults are told without it, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, and what to do about it."""

    message: str
    hint: str


def judge(net: Netboot, link: LinkInfo | None) -> Finding | None:
    """Refuse an interface that is not there, not ours or not set up; None where DHCP may run on it."""
    name, address = net.interface, net.address
    if link is None:
        return Finding(
            message=f"there is no interface {name}",
            hint="`ip link` lists them; set netboot.interface to the nodes' one.",
        )
    if link.carries_default_route and not net.i_own_this_lan:
        return Finding(
            message=f"{name} carries the default route: DHCP there could answer a whole house",
            hint="Give the nodes an interface of their own, or set netboot.i_own_this_lan = true if this LAN is yours.",
        )
    if not link.up:
        return Finding(message=f"{name} is down", hint=f"ip link set {name} up")
    if address is not None and not _has(link.addresses, address):
        return Finding(
            message=f"{name} has not the address {address} of netboot.address",
            hint=f"ip address add {address} dev {name}",
        )
    return None


def _has(addresses: Sequence[IPv4Interface], wanted: IPv4Interface) -> bool:
    return any(one.ip == wanted.ip and one.network == wanted.network for one in addresses)
