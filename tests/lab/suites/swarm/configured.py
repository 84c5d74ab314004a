"""A configuration that a test wants on top of the crowd's own, for as long as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.crowd import Crowd

FILE = "/etc/grape/config.d/50-test.toml"


@contextmanager
def configured(crowd: Crowd, toml: str) -> Iterator[None]:
    """Have graped merge this, and everybody hear of it; take it away at the end."""
    path = crowd.machine.path(FILE)
    path.parent.mkdir(exist_ok=True)
    path.write_text(toml)
    try:
        crowd.cli("config", "reload")
        yield
    finally:
        path.unlink()
        crowd.cli("config", "reload")
