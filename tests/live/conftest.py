"""A daemon per test, or one for a module that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run graped with two stacks of six nodes and a fast policy."""
    with Daemon(tmp_path) as running:
        yield running
