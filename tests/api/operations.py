"""The features of ``graped.operate``, in memory: one attribute a feature, each in a module of its own."""

from __future__ import annotations

from graped.engine import Engine


class Operations:
    """Implements ``graped.api.operations.Operations``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
