"""The addresses of nodes on the cluster's network: given, or counted from ``netboot.first_host``. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from graped.config.types import Config
from graped.model import SlotId

SLOTS_A_STACK: Final = 6  # each stack has so many addresses, whatever its driver; slots beyond have none by default


def address_of(config: Config, slot: SlotId) -> IPv4Address | None:
    """Return the address of the node in a slot: its own, else by its place; None where there is no network for it."""
    stack = config.cluster.stacks.get(slot.stack)
    device = stack.devices.get(slot.slot) if stack else None
    if device and device.address is not None:
        return device.address
    return default_address(config, slot)


def default_address(config: Config, slot: SlotId) -> IPv4Address | None:
    """Return the address that belongs to a slot by its place; None without a network, or beyond its end."""
    net = config.netboot
    if net.address is None or slot.slot >= SLOTS_A_STACK:
        return None
    network = net.address.network
    offset = net.first_host + slot.stack * SLOTS_A_STACK + slot.slot
    return network.network_address + offset if offset < network.num_addresses else None
