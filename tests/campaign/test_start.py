"""Start-up of graped sends nothing to any power port, whatever it finds and whatever the policy is."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graped.hardware.sim.client import SimBus
from graped.hardware.sim.faults import FaultKind, SimFault
from tests.campaign.board import PLACES, config
from tests.campaign.campaign import room
from tests.campaign.rig import Rig
from tests.campaign.wire import BIT_OF_SLOT, Line, lines_of

LIT = "worker-0-[0,2],worker-1-[0-5],worker-4-5,worker-5-[1-3]"  # slots in every stack, or it looks like an outage


@pytest.fixture
def rig() -> Iterator[Rig]:
    with room() as path:
        rig = Rig(path, config(), nodes="scale = 0.01\n")
        try:
            yield rig
        finally:
            rig.close()


def lines(rig: Rig) -> list[Line]:
    with rig.trace.open() as texts:
        return list(lines_of(texts))


def adopt(rig: Rig) -> dict[str, str]:
    """Start graped, let it read every port and poll a few times more; give what it says."""
    rig.start()
    deadline = time.monotonic() + 20
    while any(stack["state"] == "starting" for stack in rig.client.get("/v1/stacks")):
        assert time.monotonic() < deadline, "graped does not read its ports"
        time.sleep(0.02)
    time.sleep(0.3)
    return {node["name"]: node["power"]["observed"] for node in rig.client.get("/v1/nodes", nodes="@slots")}


def light(rig: Rig) -> None:
    job = rig.client.post("/v1/power", {"nodes": LIT, "verb": "on"})
    assert rig.client.get(f"/v1/jobs/{job['id']}", wait_s=20, until="ended")["outcome"] == "done"


def forget(rig: Rig) -> None:
    """Leave graped an empty state directory; the rack's own files stay."""
    for file in rig.state.glob("grape.db*"):
        file.unlink()


def kinds(rig: Rig) -> list[str]:
    return [event["kind"] for event in rig.client.get("/v1/events", limit=1000)]


@pytest.mark.parametrize("policy", ["adopt", "restore", "on"])
def test_no_start_writes_to_a_power_port(rig: Rig, policy: str) -> None:
    """After a kill, after a stop, and on an empty state directory, with slots on."""
    rig.start()
    light(rig)
    rig.end(signal.SIGKILL)
    ports, seen = rig.ports(), len(lines(rig))
    rig.configure(policy)
    first = adopt(rig)
    assert set(first.values()) == {"on", "off"}
    rig.end(signal.SIGTERM)
    assert adopt(rig) == first
    rig.end(signal.SIGTERM)
    forget(rig)
    assert adopt(rig) == first
    fresh = lines(rig)[seen:]
    assert {line.op for line in fresh} == {"receive_byte"}
    assert {line.place for line in fresh} >= set(PLACES)
    assert rig.ports() == ports


def test_a_first_start_on_a_dark_rack_writes_nothing(rig: Rig) -> None:
    assert set(adopt(rig).values()) == {"off"}
    assert {line.op for line in lines(rig)} == {"receive_byte"}


def test_the_policy_on_takes_a_dark_stack_for_an_outage(rig: Rig) -> None:
    """The counterpart: this is what the tests above would see if starts did write."""
    rig.configure("on")
    adopt(rig)
    deadline = time.monotonic() + 20
    while rig.client.get("/v1/jobs", open=True):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert set(rig.ports().values()) == {0x81}
    assert "send_byte" in {line.op for line in lines(rig)}


@pytest.mark.parametrize("policy", ["adopt", "restore"])
def test_a_slot_that_changed_while_graped_was_dead_is_told_and_left(rig: Rig, policy: str) -> None:
    rig.configure(policy)
    rig.start()
    light(rig)
    rig.end(signal.SIGKILL)
    others = SimBus(rig.state, 0)
    changed = rig.ports()[0] ^ 1 << BIT_OF_SLOT[2]
    others.send_byte(0x38, changed)
    others.close()
    seen = len(lines(rig))
    assert adopt(rig)["worker-0-2"] == "off"
    assert {line.op for line in lines(rig)[seen:]} == {"receive_byte"}
    assert rig.ports()[0] == changed
    assert "port.changed_during_crash" in kinds(rig)


def test_a_stop_before_the_ports_were_read_does_not_hide_a_crash(rig: Rig) -> None:
    rig.start()
    light(rig)
    rig.end(signal.SIGKILL)
    others = SimBus(rig.state, 0)
    others.send_byte(0x38, 0xFF)
    others.close()
    rig.rack.add_fault(SimFault(kind=FaultKind.MISSING, stack=0))
    rig.start()
    rig.end(signal.SIGTERM)
    rig.rack.clear_faults()
    adopt(rig)
    assert "port.changed_during_crash" in kinds(rig)


def test_every_file_of_the_room_is_named_shortly_enough(tmp_path: Path) -> None:
    """A socket's path is at most 107 bytes; pytest's own folders may be longer, so tests use this one."""
    with room() as path:
        assert len(str(path / "state" / "rack.sock")) < 107
    assert not path.exists()
