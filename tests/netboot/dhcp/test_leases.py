"""Leases in the way."""

from __future__ import annotations

from ipaddress import IPv4Address

from graped.netboot.dhcp.leases import Lease, blocking, parse
from tests.netboot.plans import node, plan

FILE = """\
0 b8:27:eb:00:00:09 10.77.0.10 worker-0-0 *
0 b8:27:eb:00:00:02 10.77.0.11 worker-0-1 01:b8:27:eb:00:00:02
1795712345 b8:27:eb:00:00:08 10.77.0.99 * *
duid 00:01:00:01:2f:b1
0 broken
"""


def test_a_lease_file_is_read() -> None:
    first, second, third = parse(FILE)
    assert first == Lease(expires=0, mac="b8:27:eb:00:00:09", ip=IPv4Address("10.77.0.10"), host="worker-0-0")
    assert (second.host, third.expires) == ("worker-0-1", 1795712345)


def test_only_a_lease_on_another_nodes_address_is_in_the_way() -> None:
    assert [lease.mac for lease in blocking(parse(FILE), plan(node(0), node(1)))] == ["b8:27:eb:00:00:09"]
    assert blocking(parse(FILE), plan()) == ()
