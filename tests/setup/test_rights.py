"""What graped.service leaves open, where a feature is dead without it."""

from __future__ import annotations

from pathlib import Path

import pytest

import master_setup

UNIT = Path(master_setup.__file__).parent / "files" / "units" / "graped.service"


def granted(key: str) -> set[str]:
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith(f"{key}=")]
    return set(line.partition("=")[2].split())


@pytest.mark.parametrize(
    ("key", "right", "what"),
    [
        ("CapabilityBoundingSet", "CAP_NET_RAW", "pings of nodes: graped.network.ping"),
        ("RestrictAddressFamilies", "AF_INET", "pings, SSH"),
        ("RestrictAddressFamilies", "AF_NETLINK", "links, ARP, bridges: graped.network.neighbours"),
        ("RestrictAddressFamilies", "AF_PACKET", "DHCP rivals"),
    ],
)
def test_graped_may_do_what_it_needs(key: str, right: str, what: str) -> None:
    assert right in granted(key), what
