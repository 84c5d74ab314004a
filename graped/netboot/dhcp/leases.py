"""Leases that stand in the way of a reservation, and how they are given up.

A lease has no end, so that a node keeps its address whatever happens to the master. But while a board that was taken
out holds a lease, dnsmasq does not give its address to the board put in ("not using configured address").
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from graped.netboot.dhcp.packets import SERVER_PORT, Kind, Message, Option, encode
from graped.netboot.plan import NetPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One line of the lease file. ``expires`` is unix time, 0 for never."""

    expires: int
    mac: str
    ip: IPv4Address
    host: str


def parse(text: str) -> tuple[Lease, ...]:
    """Read a lease file; lines that are no IPv4 lease are passed over. Source: dnsmasq src/lease.c."""
    leases = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].isdigit() and words[1].count(":") == 5:
            leases.append(Lease(expires=int(words[0]), mac=words[1], ip=IPv4Address(words[2]), host=words[3]))
    return tuple(leases)


def blocking(leases: Iterable[Lease], plan: NetPlan) -> tuple[Lease, ...]:
    """Return the leases on addresses that the plan gives to another MAC."""
    owners = {node.address: node.mac for node in plan.nodes}
    return tuple(lease for lease in leases if owners.get(lease.ip, lease.mac) != lease.mac)


def release(lease: Lease, server: IPv4Address) -> None:
    """Tell the server on this machine, in its client's name, that a lease is given up. Source: RFC 2131, 4.4.6."""
    message = Message(
        kind=Kind.RELEASE,
        xid=1,
        mac=lease.mac,
        client=lease.ip,
        options={Option.SERVER_ID: server.packed},
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(encode(message), (str(server), SERVER_PORT))
