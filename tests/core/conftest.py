"""How thorough the property tests are: ``GRAPE_THOROUGH=1`` makes them look much further."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

THOROUGH = os.environ.get("GRAPE_THOROUGH") == "1"

settings.register_profile(
    "core",
    max_examples=1000 if THOROUGH else 60,
    stateful_step_count=80 if THOROUGH else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
