"""What tests of grape_docker share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.fake_engine import Serving, serving
from tests.docker.fake_swarm import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    """A Docker that is in no swarm."""
    return FakeEngine()


@pytest.fixture
def served(engine: FakeEngine, tmp_path: Path) -> Iterator[Serving]:
    """The same, on a socket."""
    with serving(engine, tmp_path) as one:
        yield one
