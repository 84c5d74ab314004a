"""Nodes that hang are brought back, or left alone with a reason, without a person; and never for an outage of ours."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.suites.heal.conftest import Wards
from tests.lab.ward import Ward

CYCLES = 3  # an hour
VAIN = 2  # cycles, and it is quarantined
ACT = f"""
[power]
stagger_s = 0.2
inrush_s = 0.5
cycle_off_s = 0.5
[netboot.deadlines]
powered_s = 30
dhcp_s = 30
tftp_s = 90
kernel_s = 90
root_s = 120
[recovery]
mode = "act"
max_cycles_per_hour = {CYCLES}
quarantine_after = {VAIN}
patience_s = 3
pause_s = 5
pause_max_s = 20
"""
# Who boots from a card has the time of all stages together; two seconds are enough here.
SHORT = "[netboot.deadlines]\npowered_s = 2\ndhcp_s = 2\ntftp_s = 2\nkernel_s = 2\nroot_s = 5\n"
PANICS, CALM_PI = "worker-0-0", "worker-0-1"
HANGS, CUT, CALM, CALM_TOO = "worker-1-0", "worker-1-1", "worker-1-2", "worker-1-3"
NODES = (PANICS, CALM_PI, HANGS, CUT, CALM, CALM_TOO)
LOST_S = 150.0  # three answers that stay out
BACK_S = 240.0
# bash reads this for a command over SSH, too; all but a request to start again hangs.
STUCK = '[ -e /run/stuck ] && case "$BASH_EXECUTION_STRING" in *systemctl*) ;; *) exec sleep 1000 ;; esac\n'
# Work goes to each node often, and who is asked to start again may take its time for that.
UNHURRIED = "[ssh]\nfacts_s = 5\n[recovery]\npause_s = 60\npause_max_s = 60\n"
OUTAGE_S = 20.0  # longer than the patience and a look together

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def ward(wards: Wards) -> Ward:
    """All up. Half of them are in no trouble, ever: more would be taken for an outage."""
    ward = wards(pis=2, cards=4, more=ACT)
    ward.up(*NODES)
    return ward


def cuts(ward: Ward) -> dict[str, int]:
    """Count how often each node lost its power."""
    return {name: len(one.roms) - 1 for name, one in ward.pis.items()} | {
        name: one.cuts for name, one in ward.cards.items()
    }


def told(ward: Ward, name: str = "") -> list[Any]:
    """Give what recovery told; each step has its evidence and says why."""
    events = ward.events("recovery", name)
    for event in events:
        assert event["fields"]["step"], event
        assert "evidence" in event["fields"], event
        assert event["fields"]["why"], event
    return events


def reasons(ward: Ward, kind: str, after: int) -> list[str]:
    """Say why something was told, after so many events of recovery."""
    return [event["fields"]["why"] for event in told(ward)[after:] if event["kind"] == kind]


def quarantine(ward: Ward, name: str) -> str:
    """Tell why recovery leaves a node alone; "" it does not."""
    (node,) = ward.json("recovery", name)["nodes"]
    return str(node["quarantine"])


def test_nodes_in_trouble_are_brought_back_or_quarantined_without_a_person(ward: Ward, record_property: Record) -> None:
    ward.cards[CUT].unplug()
    ward.cards[HANGS].hang_sshd()
    ward.panic(PANICS)
    started = time.monotonic()
    took = {}
    ward.until(lambda: bool(ward.events("stage.lost", PANICS)), LOST_S, "it is lost")  # for 3 s, the patience
    took["lost"] = time.monotonic() - started
    for name in (PANICS, HANGS):
        ward.until(lambda name=name: cuts(ward)[name] == 1, BACK_S, f"{name} is cycled")
        ward.wait_stage("up", name, timeout_s=BACK_S)
        took[name] = time.monotonic() - started
    with ward.configured(SHORT):
        ward.until(lambda: quarantine(ward, CUT) != "", BACK_S, "it is quarantined")
        took[CUT] = time.monotonic() - started
    calm = dict.fromkeys((CALM_PI, CALM, CALM_TOO), 0)
    assert cuts(ward) == {PANICS: 1, HANGS: 1, CUT: VAIN, **calm}
    assert ward.cards[CUT].powered  # it is not cycled, and not switched off either
    for name in (PANICS, HANGS, CUT):
        assert told(ward, name)
    for name in calm:
        assert not told(ward, name)
    assert "recovery.held" not in {event["kind"] for event in told(ward)}
    assert any("says nothing" in event["fields"]["evidence"] for event in told(ward, HANGS))
    assert ward.rack.trouble() == []
    record_property(
        "summary",
        f"heal: of six nodes in act mode, three in trouble at once: lost after {took['lost']:.0f} s; up again: "
        f"a panicked kernel after {took[PANICS]:.0f} s, a hung sshd after {took[HANGS]:.0f} s; "
        f"no cable: quarantined after {took[CUT]:.0f} s and {VAIN} cycles",
    )


def test_a_quarantined_node_that_gets_its_cable_back_is_up_and_can_be_released(ward: Ward) -> None:
    before = cuts(ward)
    ward.cards[CUT].plug_in()
    ward.wait_stage("up", CUT, timeout_s=BACK_S)
    ward.cli("node", "release", CUT)
    assert not quarantine(ward, CUT)
    assert cuts(ward) == before


def test_a_node_that_lets_us_in_and_does_nothing_is_asked_to_start_again(ward: Ward, record_property: Record) -> None:
    card, before = ward.cards[CALM], cuts(ward)
    boots = card.boots
    rc = card.root / "root/.bashrc"
    rc.write_text(STUCK + (rc.read_text() if rc.exists() else ""))
    card.do("touch", "/run/stuck")  # gone with the next boot
    started = time.monotonic()
    with ward.configured(UNHURRIED):  # work on it that does not end is what raises the doubt
        ward.until(lambda: card.boots == boots + 1, BACK_S, "it starts again")
        ward.wait_stage("up", CALM, timeout_s=BACK_S)
    took_s = time.monotonic() - started
    assert cuts(ward) == before
    steps = [event["kind"] for event in told(ward, CALM)]
    assert "recovery.soft_reboot" in steps, steps
    assert "recovery.cycle" not in steps, steps
    assert any("a command does not end" in event["fields"]["evidence"] for event in told(ward, CALM))
    record_property(
        "summary", f"heal: a node on which no command ends is up again, without a cycle, after {took_s:.0f} s"
    )


def test_nothing_is_cycled_while_the_nfs_server_hangs(ward: Ward, record_property: Record) -> None:
    before, number = cuts(ward), len(told(ward))
    server = nfs_server(ward)
    os.kill(server, signal.SIGSTOP)
    try:
        ward.wait_stage("lost", PANICS, CALM_PI, timeout_s=LOST_S)
        time.sleep(OUTAGE_S)
        assert cuts(ward) == before
        held = reasons(ward, "recovery.held", number)
        assert any(why.startswith("nfs:") for why in held), held
    finally:
        os.kill(server, signal.SIGCONT)
    started = time.monotonic()
    ward.wait_stage("up", PANICS, CALM_PI, timeout_s=BACK_S)
    back_s = time.monotonic() - started
    ward.until(lambda: holds(ward, number) == 0, 60.0, "it goes on")
    assert cuts(ward) == before
    text = (
        f"heal: an NFS server that hung for {OUTAGE_S:g} s after two nodes were lost: no cycle, up {back_s:.0f} s later"
    )
    record_property("summary", text)


def holds(ward: Ward, after: int) -> int:
    """Count the holds that were told after so many events of recovery, and are not over."""
    kinds = [event["kind"] for event in told(ward)[after:]]
    return kinds.count("recovery.held") - kinds.count("recovery.released")


def nfs_server(ward: Ward) -> int:
    """Find the process of NFS-Ganesha."""
    (record,) = ward.rack.daemon.state.rglob("ganesha.json")
    return int(json.loads(record.read_text())["pid"])
