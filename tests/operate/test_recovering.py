"""What the core puts into quarantine is set for its device; a file that cannot be written does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from graped.core.recovery_types import Recovery
from graped.errors import ConfigError
from graped.model import SlotId
from graped.operate.recovering import Recovering
from tests.operate.yard import ME, A, B, Yard

Settings = Mapping[SlotId, Mapping[str, str | None]]


def test_a_quarantine_of_the_core_is_set_for_the_device(tmp_path: Path) -> None:
    async def story() -> None:
        yard, written = Yard(tmp_path), list[Settings]()
        Recovering(replace(yard.house, set_devices=written.append))
        yard.engine.keep_quarantine(A, "3 cycles brought nothing")
        assert written == [{A: {"quarantine": "3 cycles brought nothing"}}]

    asyncio.run(story())


def test_settings_that_cannot_be_written_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        def full(_: Settings) -> None:
            raise ConfigError("settings.toml cannot be used")

        yard = Yard(tmp_path)
        recovering = Recovering(replace(yard.house, set_devices=full))
        yard.engine.keep_quarantine(A, "x")
        assert "forgotten at the next start: settings.toml cannot be used" in caplog.text
        with pytest.raises(ConfigError):
            recovering.quarantine([A], "x", by=ME)

    asyncio.run(story())


def test_a_release_ends_what_only_the_core_knows(tmp_path: Path) -> None:
    async def story() -> None:
        yard = Yard(tmp_path)
        recovering = Recovering(replace(yard.house, set_devices=lambda _: None))
        entries = {A: Recovery(quarantine="x"), B: Recovery(quarantine="y")}
        yard.engine._state = replace(yard.engine.state, recovery=entries)
        recovering.release([A], by=ME)
        assert A not in yard.engine.state.recovery or not yard.engine.state.recovery[A].quarantine

    asyncio.run(story())
