"""Plans for tests: a network with the nodes a test names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from graped.config.types import Boot, Model, Strategy
from graped.model import SlotId
from graped.netboot.plan import NetPlan, NodePlan

MASTER = IPv4Interface("10.77.0.1/24")


def node(number: int, **changes: Any) -> NodePlan:
    """Describe the node in slot ``number`` mod 6 of stack ``number`` // 6."""
    slot = SlotId(*divmod(number, 6))
    values: dict[str, Any] = {
        "slot": slot,
        "name": slot.default_name,
        "mac": f"b8:27:eb:00:00:{number + 1:02x}",
        "address": IPv4Address("10.77.0.10") + number,
        "model": None,
        "serial": None,
        "boot": Boot.NETWORK,
        "image": "bookworm",
        "strategy": Strategy.AUTO,
        "docker_bytes": 0,
    }
    return NodePlan(**(values | changes))


def pxe(number: int, **changes: Any) -> NodePlan:
    """Describe an ordinary machine."""
    return node(number, **({"mac": f"52:54:00:00:01:{number + 1:02x}", "model": Model.PXE} | changes))


def plan(*nodes: NodePlan, folder: Path = Path("/var/lib/grape/netboot"), **changes: Any) -> NetPlan:
    """Describe a network with these nodes."""
    values: dict[str, Any] = {
        "interface": "eth0",
        "master": MASTER,
        "folder": folder,
        "domain": "grape",
        "dns": (MASTER.ip,),
        "ntp": (MASTER.ip,),
        "tftp_max": 150,
        "kernel_args": "",
        "config_txt": (),
        "nodes": nodes,
    }
    return NetPlan(**(values | changes))
