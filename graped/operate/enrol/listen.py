"""Hear MAC addresses while slots are looked at: DHCP on the wire, the bridge's table and ARP. For late import."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from graped.core.enrolment import Facts, Heard
from graped.errors import ServerError
from graped.netboot.dhcp.askers import Wire
from graped.network.links import link
from graped.network.stations import stations

log = logging.getLogger("graped.operate")

TRAFFIC_S: Final = 1.0  # how often the kernel is asked who sent something


def is_there(interface: str) -> bool:
    """Whether there is such an interface. Raises: OSError."""
    return link(interface) is not None


class Interface:
    """Everything that one interface tells; used in one thread. Raises: ServerError."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._wire: Wire | None = Wire(name)
        self._next = 0.0
        self._first = True

    def heard(self, now: float) -> Iterator[Heard]:
        """Give what was heard since the last look."""
        if self._wire is not None:
            try:
                for who in self._wire.read():
                    facts = Facts(model=who.model, serial=who.serial, vendor=who.vendor)
                    yield Heard(mac=who.mac, at=now, facts=facts)
            except ServerError as error:
                log.warning("%s", error.detail)
                self.close()
        if now >= self._next:
            self._next = now + TRAFFIC_S
            try:
                there = stations(self._name)
            except OSError as error:
                log.warning("who sent something on %s cannot be told: %s", self._name, error)
                return
            first, self._first = self._first, False
            for mac, ago_s in there.items():
                if first or ago_s <= 2 * TRAFFIC_S:
                    yield Heard(mac=mac, at=now - ago_s, dhcp=False)

    def close(self) -> None:
        """Hear no more."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
