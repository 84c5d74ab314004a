"""What a boot ROM does wrong on purpose: wrong packets, and late ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which faults, and how often; a 0 is never."""

    garbage: bool = False  # packets of :func:`garbage` before the first DISCOVER
    lose_every: int = 0  # of the blocks that arrive, one in so many is not seen
    late_every: int = 0  # of the blocks that arrive, one in so many is answered late ...
    late_s: float = 1.5  # ... by this
    twice_every: int = 0  # of the blocks that arrive, one in so many is answered twice

    def lost(self, count: int) -> bool:
        """Whether this block is not seen."""
        return bool(self.lose_every) and count % self.lose_every == 0

    def late(self, count: int) -> bool:
        """Whether this block is answered late."""
        return bool(self.late_every) and count % self.late_every == 0

    def twice(self, count: int) -> bool:
        """Whether this block is answered twice."""
        return bool(self.twice_every) and count % self.twice_every == 0


NONE: Final = Faults()


def garbage(discover: bytes) -> list[bytes]:
    """Give packets for port 67 that no server may answer or die of, made of a right one."""
    return [
        b"",
        discover[:100],  # cut off in its head
        discover[:240],  # no option at all
        discover[:250],  # cut off within an option
        discover[:236] + b"\0\0\0\0" + discover[240:],  # wrong cookie
        b"\2" + discover[1:],  # a reply
        discover[:2] + b"\x20" + discover[3:],  # a hardware address longer than its field
        discover[:242] + b"\x63" + discover[243:],  # no such kind of message
        discover[:-1] + b"\x3d\x00\x0c\x40abc\xff",  # an empty client id, a name that reaches beyond the end
        discover[:-1] + b"\x0c\x08../../x;\xff",  # a host name that is a path
    ]


def odd_requests() -> list[bytes]:
    """Give datagrams for port 69 that must get an error or nothing, and never a file from outside."""
    names = ("../../../../etc/shadow", "/etc/shadow", "..\\..\\etc\\shadow", "", "a" * 600, "%s%n", "bootcode.bin\n")
    odd = [struct.pack("!H", 1) + name.encode() + b"\0octet\0" for name in names]
    odd += [struct.pack("!H", 2) + b"bootcode.bin\0octet\0"]  # a write
    odd += [struct.pack("!H", 1) + b"bootcode.bin", struct.pack("!H", 1), b"\0", b""]  # no end, no name, nothing
    odd += [struct.pack("!HH", 4, 7), struct.pack("!HH", 9, 9)]  # an ACK of nothing, no such operation
    return odd
