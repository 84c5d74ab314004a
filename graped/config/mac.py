"""MAC addresses: every usual notation in, lower case with colons out."""

from __future__ import annotations

import re
from typing import Final

_NOTATIONS: Final = re.compile(
    r"(?:[0-9a-f]{2}(?::[0-9a-f]{2}){5}"  # b8:27:eb:2c:c0:04
    r"|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}"  # b8-27-eb-2c-c0-04
    r"|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"  # b827.eb2c.c004
    r"|[0-9a-f]{12})",  # b827eb2cc004
    re.IGNORECASE | re.ASCII,
)
_GROUP_BIT: Final = 0x01  # of the first octet: more than one receiver. Source: IEEE 802, section 8


def parse(text: str) -> str:
    """Return the address in the one notation that is used inside.

    Raises ValueError with what was expected instead: not a MAC, all zero, or a group address.
    """
    if not _NOTATIONS.fullmatch(text):
        raise ValueError("a MAC address such as b8:27:eb:2c:c0:04")
    octets = bytes.fromhex(re.sub(r"[^0-9A-Fa-f]", "", text))
    if not any(octets):
        raise ValueError("the MAC address of a node, not all zero")
    if octets[0] & _GROUP_BIT:
        raise ValueError("the MAC address of one node, not a multicast or broadcast one")
    return octets.hex(":")
