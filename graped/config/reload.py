"""Take a new configuration while graped runs: what can change at once does, the rest keeps its old value."""

from __future__ import annotations

from dataclasses import replace

from graped.config.types import Config


def live(old: Config, new: Config) -> Config:
    """Give the configuration that applies until the next start.

    Stacks neither come nor go, and their hardware stays; names, MACs, watts, budgets and policies are new.
    """
    stacks = {}
    for key, stack in old.cluster.stacks.items():
        fresh = new.cluster.stacks.get(key)
        if fresh is not None and fresh.driver == stack.driver:
            stack = replace(stack, devices=fresh.devices, budget_watts=fresh.budget_watts)
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
    )
