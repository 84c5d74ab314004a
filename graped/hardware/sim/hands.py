"""A person's hand on the front panel: contacts move at a hand's speed, and the rack goes on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from graped.hardware.sim.panel import click
from graped.hardware.sim.rack import Rack

CLICK_STEP_S = 0.03  # between two contacts of the knob
PRESS_S = 0.12


def turn(rack: Rack, clicks: int, sleep: Callable[[float], None] = time.sleep) -> None:
    """Turn the knob, clockwise for positive clicks."""
    for _ in range(abs(clicks)):
        for state in click(clicks > 0):
            with rack.touching_panel() as panel:
                panel.contacts(state)
            sleep(CLICK_STEP_S)


def press(rack: Rack, sleep: Callable[[float], None] = time.sleep) -> None:
    """Push the button and let it go."""
    for down in (True, False):
        with rack.touching_panel() as panel:
            panel.press(down)
        sleep(PRESS_S)
