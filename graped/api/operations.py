"""What the routes need of the features in ``graped.operate``; a Protocol each."""

from __future__ import annotations

from typing import Protocol


class Operations(Protocol):
    """One attribute a feature."""
