"""A replica of a machine for each test, and the verbs on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.setup.fake_debian import FakeDebian, debian


@pytest.fixture
def fake(tmp_path: Path) -> FakeDebian:
    return debian(tmp_path / "root")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write without waiting for a disk: no test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
