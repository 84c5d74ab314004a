"""Relays that switch several slots: what the power policy says must leave room for them."""

from __future__ import annotations

from collections.abc import Mapping

from graped.config.findings import Findings
from graped.config.stacks import AT
from graped.config.types import Config, DriverSpec


def relays_fit_the_policy(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> None:
    """Warn of slots that can never be switched on, because more of them come on at once than may."""
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key), "options")
        if stack.options is None or not findings.sound((*path[:-1], "driver"), path):
            continue
        try:
            most = max(map(len, drivers[stack.driver].groups(stack.options)), default=0)
        except Exception as error:  # code from outside: its failure is told, not spread
            findings.note(path, f"driver {stack.driver} cannot tell its relays: {error}")
            continue
        for name, limit in (("max_inrush", config.power.max_inrush), ("max_booting", config.power.max_booting)):
            if most > limit and findings.sound(("power", name)):
                findings.warn(path, f"a relay switches {most} slots at once, and power.{name} is {limit}: they can "
                              f"never be switched on; set power.{name} to {most} or more")  # fmt: skip
