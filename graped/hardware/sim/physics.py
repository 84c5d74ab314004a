"""Currents and temperatures that follow the slots: pure functions of what is on and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from graped.hardware.sim.blueprint import NodeKind, NodePlan

SUPPLY_MV = 12_000  # a board's own supply, before the regulators of its slots
SUPPLY_OHMS = 0.05  # it sags a little under load
BOARD_WATTS = 1.2  # switch and chips, with all slots off
AMBIENT_CELSIUS = 24.0
CELSIUS_PER_WATT = 0.45
SETTLE_S = 90.0  # time constant of the board's warming
INRUSH_TIMES = 1.2  # the peak above the running current, in multiples of it
INRUSH_S = 0.15
IDLE_PART = 0.7  # of the expected watts; a booting node draws all of them
NOISE_PART = 0.03
NOISE_PERIOD_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """A stack's temperature at a time (s); ``forced`` overrides it."""

    celsius: float = AMBIENT_CELSIUS
    at: float = 0.0
    forced: float | None = None

    @property
    def felt(self) -> float:
        """What the thermometer feels."""
        return self.celsius if self.forced is None else self.forced


def warmed(warmth: Warmth, *, watts: float, now: float) -> Warmth:
    """Let the temperature relax towards ambient plus what the watts add."""
    target = AMBIENT_CELSIUS + CELSIUS_PER_WATT * watts
    left = math.exp(-max(0.0, now - warmth.at) / SETTLE_S)
    return Warmth(celsius=target + (warmth.celsius - target) * left, at=now, forced=warmth.forced)


def node_watts(node: NodePlan, on_for_s: float | None) -> float:
    """Tell what one slot draws so long after its power came on, without noise."""
    if on_for_s is None or node.kind is NodeKind.EMPTY:
        return 0.0
    inrush = INRUSH_TIMES * math.exp(-on_for_s / INRUSH_S)
    booting = on_for_s < node.boot_s or node.hang_at is not None
    return node.watts * ((1.0 if booting else IDLE_PART) + inrush)


def noisy(watts: float, *, seed: int, stack: int, now: float) -> float:
    """Add the small noise of a real supply; the same for the same seed, stack and half second."""
    dice = Random((seed * 101 + stack) * 1_000_003 + int(now / NOISE_PERIOD_S))  # noqa: S311  reproducible
    return watts * (1 + dice.uniform(-NOISE_PART, NOISE_PART))


def supply_mv(watts: float) -> float:
    """Tell the supply's voltage under a load."""
    return SUPPLY_MV - SUPPLY_OHMS * watts * 1_000_000 / SUPPLY_MV


def shunt_uv(watts: float, shunt_ohms: float) -> float:
    """Tell the voltage over the shunt."""
    return watts / supply_mv(watts) * 1000 * shunt_ohms * 1_000_000
