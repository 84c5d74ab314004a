"""The ward itself: its machines stop as Pis do."""

from __future__ import annotations

import pytest

from tests.lab.suites.heal.conftest import Wards
from tests.lab.ward import Ward

ONE = "worker-1-0"
UP_S = 120.0


@pytest.fixture(scope="module")
def ward(wards: Wards) -> Ward:
    return wards(cards=1)


def answers(ward: Ward, name: str) -> bool:
    """Whether a node answers a ping."""
    ping = ("busybox", "ping", "-c", "1", "-W", "1", ward.cards[name].address)
    return ward.master.place.do(*ping, check=False).returncode == 0


def test_a_machine_is_silent_when_it_has_stopped_and_begins_anew_when_it_is_asked_to(ward: Ward) -> None:
    card = ward.cards[ONE]
    assert not answers(ward, ONE)  # it is off
    ward.up(ONE)
    ward.until(lambda: answers(ward, ONE), UP_S, "it answers")
    born = ward.login_to(ONE).do("cat /proc/sys/kernel/random/boot_id")
    ward.login_to(ONE).do("systemctl reboot", check=False)
    ward.until(lambda: card.boots == 2, UP_S, "it began anew")
    ward.login_to(ONE).wait(UP_S)
    assert ward.login_to(ONE).do("cat /proc/sys/kernel/random/boot_id") != born
    ward.login_to(ONE).do("systemctl poweroff", check=False)
    ward.until(lambda: not card.running, UP_S, "it has halted")
    ward.until(lambda: not answers(ward, ONE), UP_S, "it is silent")
    assert card.powered
    assert card.cuts == 0
    ward.down(ONE)
    assert card.cuts == 1


def test_a_cable_stays_pulled_and_a_hung_ssh_server_takes_connections_without_a_word(ward: Ward) -> None:
    card = ward.cards[ONE]
    card.unplug()
    ward.cli("power", "on", ONE, "--wait")
    ward.until(lambda: card.running, UP_S, "it runs")
    assert not answers(ward, ONE)
    card.plug_in()
    ward.wait_stage("up", ONE, timeout_s=UP_S)
    card.hang_sshd()
    said = ward.master.place.do("timeout", "1", "bash", "-c", f"head -c1 </dev/tcp/{card.address}/22", check=False)
    assert (said.returncode, said.stdout) == (124, "")
    card.heal_sshd()
    ward.login_to(ONE).wait(UP_S)
    ward.down(ONE)
