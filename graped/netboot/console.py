"""How netbooted nodes are told where to send what their kernel and their services say. Pure.

A word of the kernel's command line, ``grape.console=MASTER:SYSLOG:NETCONSOLE``, starts a unit of prepared images
(``images/parts/console.sh``); without it the unit does nothing. A kernel with netconsole built in is told, too, by
``netconsole=``: it sends from before its root is mounted. One with a module takes no notice of that word, and its
netconsole is loaded by the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from graped.config.types import Config

SOURCE_PORT: Final = 6665  # netconsole's own default. Source: Linux, Documentation/networking/netconsole.rst
FIRST_INTERFACE: Final = "eth0"  # as the kernel names it before anything could rename it
ROOM: Final = "log_buf_len=1M"  # for what a kernel says before the unit runs: some keep 16 kB, which one boot fills
HELLO: Final = "grape-console boot "  # the unit's first line in each boot, then the kernel's boot id


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where graped listens."""

    address: IPv4Address
    syslog_port: int
    netconsole_port: int


def receiver_of(config: Config) -> Receiver | None:
    """Tell where graped is to listen, as configured; None: nowhere."""
    net = config.netboot
    if not net.active or not net.console or net.address is None:
        return None
    return Receiver(address=net.address.ip, syslog_port=net.syslog_port, netconsole_port=net.netconsole_port)


def kernel_words(receiver: Receiver, node: IPv4Address) -> tuple[str, ...]:
    """Return the words for a node's command line. "+": extended lines, which have the numbers of /dev/kmsg."""
    at = receiver.address
    return (
        f"grape.console={at}:{receiver.syslog_port}:{receiver.netconsole_port}",
        f"netconsole=+{SOURCE_PORT}@{node}/{FIRST_INTERFACE},{receiver.netconsole_port}@{at}/",
        ROOM,
    )
