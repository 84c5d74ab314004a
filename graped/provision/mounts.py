"""Which booting nodes have mounted their roots, by who holds a connection to the NFS server. Pure.

A node whose power was cut leaves its connection behind, for minutes: what is there before a node can have mounted
anything is of its former life.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Final

from graped.model import SlotId, Stage
from graped.netboot.nfs.traffic import Connection

_EARLY: Final = frozenset({Stage.POWERED, Stage.DHCP})  # nothing can be mounted yet
_NEXT: Final = frozenset({Stage.TFTP, Stage.KERNEL})  # what is heard of the kernel may come late, or never
BOOTING: Final = _EARLY | _NEXT


class Mounts:
    """Look again and again, from when a node is powered."""

    def __init__(self) -> None:
        self._former: dict[SlotId, frozenset[Connection]] = {}  # of booting nodes

    def look(
        self, there: Collection[Connection], nodes: Mapping[SlotId, tuple[IPv4Address, Stage | None]]
    ) -> Iterator[SlotId]:
        """Yield who has mounted; ``nodes`` are asked for after ``there``."""
        for slot, (address, stage) in nodes.items():
            now = frozenset(one for one in there if one.address == address)
            if stage in _EARLY:
                self._former[slot] = now
            elif stage in _NEXT:
                former = self._former[slot] = self._former.get(slot, frozenset()) & now
                if now - former:
                    yield slot
            else:
                self._former.pop(slot, None)
