"""Take a new configuration while graped runs: what can change at once does, the rest keeps its old value."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from graped.config.types import Config, Device, Netboot

NETBOOT_KEPT: Final = ("active", "interface", "address", "supervisor", "nfs", "folder")  # what its servers stand on


def live(old: Config, new: Config) -> Config:
    """Give the configuration that applies until the next start.

    Stacks neither come nor go, and their hardware stays; names, MACs, watts, budgets and policies are new.
    The network, its servers and its folder stay; what is served to whom is new.
    """
    moves = network_moves(old, new)
    stacks = {}
    for key, stack in old.cluster.stacks.items():
        fresh = new.cluster.stacks.get(key)
        if fresh is not None and fresh.driver == stack.driver:
            devices = _at_old_addresses(stack.devices, fresh.devices) if moves else fresh.devices
            stack = replace(stack, devices=devices, budget_watts=fresh.budget_watts)
        stacks[key] = stack
    return replace(
        new,
        cluster=replace(new.cluster, stacks=stacks),
        bus=old.bus,
        api=old.api,
        store=replace(new.store, state_dir=old.store.state_dir),
        display=old.display,
        gpio=old.gpio,
        temperature=replace(old.temperature, emergency_celsius=new.temperature.emergency_celsius),
        netboot=_netboot(old.netboot, new.netboot, moves),
    )


def network_moves(old: Config, new: Config) -> bool:
    """Say whether the cluster's network changes: then every address in it waits for the restart too."""
    return old.netboot.address != new.netboot.address


def _netboot(old: Netboot, new: Netboot, moves: bool) -> Netboot:
    kept = {key: getattr(old, key) for key in (*NETBOOT_KEPT, *(("first_host",) if moves else ()))}
    return replace(new, **kept)


def _at_old_addresses(old: dict[int, Device], new: dict[int, Device]) -> dict[int, Device]:
    return {slot: replace(device, address=old[slot].address if slot in old else None) for slot, device in new.items()}
