"""Slots are sacred: thousands of random steps and dozens of kills, and not one byte that nobody asked for."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.campaign.campaign import campaign

STEPS, KILLS = 10_000, 50


@pytest.mark.xdist_group("campaign")
def test_no_slot_changes_unasked(record_property: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("GRAPE_SEED") or random.SystemRandom().randrange(1 << 32))
    outcome = campaign(steps=STEPS, kills=KILLS, seed=seed)
    record_property("summary", outcome.summary())
    assert not outcome.violations, "\n\n".join([outcome.summary(), *map(str, outcome.violations[:20]), *outcome.shown])
    assert outcome.kills >= KILLS
    for happened in (
        "bytes repaired",
        "changed on its way, then killed",
        "fault: hang",
        "fault: nack",
        "fault: timeout",
        "false reads",
        "outages in a calm, policy adopt",
        "outages reported",
        "slots as wanted in a calm",
        "slots repaired",
    ):
        assert outcome.counts[happened], f"seed {seed}: no {happened!r} in a whole campaign shows nothing"
