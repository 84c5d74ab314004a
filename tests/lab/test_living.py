"""What a machine is doing, compared: what came, what went, and not what only passes by."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.lab import living
from tests.lab.living import ASKED, differences, doing


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "LOOK_S", 0.0)


def answers(*processes: str, units: str = "cron.service loaded active\n") -> Mapping[str, list[str]]:
    """Ask a machine that has these processes, one look after the other."""
    looks = iter(processes * living.LOOKS)

    def ask(*argv: str) -> str:
        return next(looks) if argv[0] == "ps" else units if argv[0] == "systemctl" else "the same\n"

    return doing(ask)


def test_what_came_and_what_went_is_told() -> None:
    before = answers(" 9 root cron\n 10 root agetty\n")
    after = answers(" 9 root cron\n 700 dnsmasq dnsmasq\n", units="")
    told = differences(before, after)
    assert "processes: -root agetty" in told
    assert "processes: +dnsmasq dnsmasq" in told
    assert "units: -cron.service loaded active" in told
    assert not any("root cron" in line for line in told)
    assert before.keys() == {*ASKED, "processes"}


def test_who_passes_by_is_no_difference_and_who_stays_is_one() -> None:
    before = answers("9 root cron\n")
    assert differences(before, answers("9 root cron\n700 root ps\n", "9 root cron\n701 root ps\n")) == []
    assert differences(before, answers("9 root cron\n700 root systemctl\n")) == ["processes: +root systemctl"]
