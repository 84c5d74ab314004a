"""The timeline of a boot, reboots, and who is late and why."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from graped.config.types import Boot, Config, Deadlines, Device, Model, Netboot
from graped.core.boot import NOT_WATCHED, watchable
from graped.core.events import BootFact
from graped.core.state import BootCounts, SlotState
from graped.model import Power, SlotId, Stage, Verb
from tests.core.world import World, byte, make_config

A = SlotId(0, 0)
NET = Netboot(active=True, interface="eth1", address=IPv4Interface("10.77.0.1/24"), image="bookworm")
BOOT = (Stage.DHCP, Stage.TFTP, Stage.KERNEL, Stage.ROOT, Stage.UP)


def config_of(net: Netboot = NET, **device: Any) -> Config:
    """One stack; slot 0 has this device."""
    config = make_config((0,), netboot=net, boot_gate_s=3600.0)
    stack = config.cluster.stacks[0]
    fields: dict[str, Any] = {"mac": "02:00:00:00:00:01", **device}
    stack = replace(stack, devices={**stack.devices, 0: Device(**fields)})
    return replace(config, cluster=replace(config.cluster, stacks={0: stack}))


def booting(config: Config | None = None) -> World:
    """Slot 0 came on at 1000.5 or so, and its stages are told."""
    world = World(config or config_of(), boot_evidence=True)
    world.settle()
    world.ask(Verb.ON, [A])
    world.run(0.5)
    return world


def slot(world: World) -> SlotState:
    return world.state.slots[A]


def stages(world: World) -> list[Stage]:
    return [mark.stage for mark in slot(world).timeline]


# --- timeline -------------------------------------------------------------------------------------------


def test_a_boot_leaves_a_mark_for_each_stage_with_its_time_and_evidence() -> None:
    world = booting()
    on_at = slot(world).timeline[0].at
    for stage in BOOT:
        world.run(2)
        world.stage(A, stage, f"evidence of {stage}")
    marks = slot(world).timeline
    assert stages(world) == [Stage.POWERED, *BOOT]
    assert marks[0].at == on_at == slot(world).on_since
    assert [round(mark.at - marks[1].at, 3) for mark in marks[1:]] == [0, 2, 4, 6, 8]
    assert marks[-1].evidence == "evidence of up"
    assert slot(world).stage_since == marks[-1].at


def test_stages_that_nobody_saw_are_skipped_and_none_goes_back() -> None:
    world = booting()
    for stage in (Stage.TFTP, Stage.DHCP, Stage.ROOT, Stage.KERNEL, Stage.POWERED, Stage.UP, Stage.ROOT, Stage.OFF):
        world.stage(A, stage)
    assert stages(world) == [Stage.POWERED, Stage.TFTP, Stage.ROOT, Stage.UP]
    assert slot(world).stage is Stage.UP


@pytest.mark.parametrize("was", [Stage.KERNEL, Stage.ROOT, Stage.UP, Stage.LOST])
@pytest.mark.parametrize("sign", [Stage.DHCP, Stage.TFTP])
def test_a_boot_loader_after_the_kernel_is_a_new_boot(was: Stage, sign: Stage) -> None:
    world = booting()
    if was is Stage.LOST:
        world.stage(A, Stage.UP)
    world.stage(A, was)
    world.fact(A, BootFact.DISCOVER, model=Model.PI4)
    world.stage(A, sign, "DHCPDISCOVER")
    assert (slot(world).stage, stages(world)) == (sign, [sign])
    assert slot(world).boot == BootCounts(model=Model.PI4)
    assert "node.restarted" in world.kinds()
    assert slot(world).on_since is not None  # its power did not change
    assert slot(world).gate_open


def test_a_lost_node_that_comes_back_or_boots() -> None:
    world = booting()
    world.stage(A, Stage.LOST)
    assert slot(world).stage is Stage.POWERED  # it was never up
    for _ in range(3):
        world.stage(A, Stage.UP)
        world.stage(A, Stage.LOST, "SSH does not answer any more")
        world.stage(A, Stage.ROOT)  # what it still sends to the file server says nothing
        assert (slot(world).stage, stages(world)) == (Stage.LOST, [Stage.POWERED, Stage.UP, Stage.LOST])
    world.stage(A, Stage.UP)
    assert stages(world) == [Stage.POWERED, Stage.UP]
    world.stage(A, Stage.LOST)
    world.stage(A, Stage.KERNEL)
    assert stages(world) == [Stage.KERNEL]


def test_a_slot_that_goes_off_has_no_boot() -> None:
    world = booting()
    world.stage(A, Stage.TFTP)
    world.fact(A, BootFact.FILE, "start4.elf", 2_000_000, Model.PI4)
    world.ask(Verb.CYCLE, [A])
    world.run(0.5)
    assert (slot(world).stage, slot(world).timeline) == (Stage.OFF, ())
    assert slot(world).boot == BootCounts(model=Model.PI4)  # which stays what it is
    world.run(8)
    assert stages(world) == [Stage.POWERED]


def test_what_it_asks_for_and_gets_is_counted_for_each_boot() -> None:
    world = booting()
    world.fact(A, BootFact.DISCOVER, model=Model.PI3B)
    world.fact(A, BootFact.FILE, "bootcode.bin", 50_000)
    world.fact(A, BootFact.MISSING, "x" * 500)
    assert len(slot(world).boot.missing) == 120
    world.fact(A, BootFact.FILE, "start.elf", 2_000_000)
    assert slot(world).boot == BootCounts(
        discovers=1, discover_at=world.now, files=2, file_bytes=2_050_000, last_file="start.elf", model=Model.PI3B
    )
    world.fact(SlotId(0, 1), BootFact.DISCOVER)  # it is off
    world.fact(SlotId(9, 1), BootFact.DISCOVER)
    assert world.state.slots[SlotId(0, 1)].boot == BootCounts()


# --- who is watched -------------------------------------------------------------------------------------


def test_a_slot_that_nobody_watches_has_no_stage_holds_nobody_and_is_never_late() -> None:
    world = World(make_config((0, 1), max_booting=1), boot_evidence=True)
    world.settle()
    world.watch([SlotId(0, 1)])
    world.ask(Verb.ON, [A, SlotId(0, 2), SlotId(0, 1)])
    world.run(3)
    assert (slot(world).observed, slot(world).stage, slot(world).stage_reason) == (Power.ON, None, NOT_WATCHED)
    assert slot(world).gate_open
    assert not world.state.slots[SlotId(0, 1)].gate_open
    world.ask(Verb.ON, [SlotId(1, 0)])
    world.run(5)
    assert world.observed(SlotId(1, 0)) is Power.OFF
    world.watch([])
    world.run(1)
    assert world.observed(SlotId(1, 0)) is Power.ON
    world.run(1000)
    assert "stage.late" not in world.kinds()


def test_adopted_slots_say_why_nothing_is_known_of_their_boot() -> None:
    for evidence, reason in ((True, "no evidence since graped came"), (False, NOT_WATCHED)):
        world = World(ports={0: byte(0)}, boot_evidence=evidence)
        world.settle()
        assert (slot(world).stage, slot(world).stage_reason) == (None, reason)
        world.run(1000)
        assert "stage.late" not in world.kinds()


def test_a_boot_that_was_going_on_when_graped_came_is_followed_from_there() -> None:
    world = World(config_of(), ports={0: byte(0)}, boot_evidence=True)
    world.settle()
    world.stage(A, Stage.KERNEL, initial=True)
    assert slot(world).stage is None
    world.stage(A, Stage.ROOT, "mounted")
    world.stage(A, Stage.UP)
    assert stages(world) == [Stage.ROOT, Stage.UP]


def test_a_node_with_a_disk_of_its_own_holds_no_place() -> None:
    config = replace(config_of(boot=Boot.LOCAL), power=replace(make_config().power, max_booting=1))
    world = booting(config)
    assert slot(world).gate_open
    world.ask(Verb.ON, [SlotId(0, 1)])
    world.run(1)
    assert world.observed(SlotId(0, 1)) is Power.ON


def test_the_network_can_tell_of_nodes_that_boot_over_it_and_of_local_ones_with_an_address() -> None:
    address = IPv4Address("10.0.0.5")
    devices = {
        0: Device(mac="02:00:00:00:00:01"),
        1: Device(),
        2: Device(boot=Boot.LOCAL),
        3: Device(boot=Boot.LOCAL, address=address),
        4: Device(boot=Boot.LOCAL, mac="02:00:00:00:00:04"),  # gets the address by its place
        7: Device(mac="02:00:00:00:00:07"),
    }
    config = make_config((0,), netboot=NET)
    config = replace(
        config, cluster=replace(config.cluster, stacks={0: replace(config.cluster.stacks[0], devices=devices)})
    )
    assert {one.slot for one in watchable(config)} == {0, 3, 4}
    assert {one.slot for one in watchable(replace(config, netboot=Netboot()))} == {3}


# --- late -----------------------------------------------------------------------------------------------


def late_after(world: World, seconds: float) -> tuple[str, str]:
    """Be punctual until just before, and late then: said once."""
    world.run(seconds - 1)
    assert slot(world).late == ""
    world.run(60)
    assert [kind for kind in world.kinds() if kind == "stage.late"] == ["stage.late"]
    assert slot(world).late in " ".join(world.messages())
    return slot(world).late, slot(world).late_hint


def test_no_sign_of_life() -> None:
    reason, hint = late_after(booting(), 60)
    assert reason == "no DHCP request: no netboot set in EEPROM/OTP, no cable, or no Pi here"
    assert "BOOT_ORDER=0xf21" in hint
    assert "program_usb_boot_mode" in hint
    reason, hint = late_after(booting(config_of(model=Model.PI5)), 60)
    assert "EEPROM, no cable" in reason
    assert "OTP" not in hint


def test_a_pi_3b_whose_boot_rom_gave_up() -> None:
    world = booting()
    for _ in range(5):
        world.stage(A, Stage.DHCP)
        world.fact(A, BootFact.DISCOVER, model=Model.PI3B)
        world.run(5)
    reason, hint = late_after(world, 5)
    assert reason == "asked DHCP 5 times, took no file: Pi 3B boot ROM gave up; needs a power cycle"
    assert "grapecli power cycle worker-0-0" in hint


def test_asking_without_taking_a_file() -> None:
    world = booting(config_of(model=Model.PI4))
    world.stage(A, Stage.DHCP)
    world.fact(A, BootFact.DISCOVER)
    reason, hint = late_after(world, 30)
    assert reason == "asked DHCP once, took no file"
    assert "doctor" in hint


def test_a_node_without_an_image() -> None:
    world = booting(config_of(replace(NET, image=None)))
    world.stage(A, Stage.DHCP)
    reason, hint = late_after(world, 30)
    assert reason == "took no file after DHCP: it has no image"
    assert "node set worker-0-0 --image" in hint


def test_a_file_that_is_not_there() -> None:
    world = booting()
    world.stage(A, Stage.TFTP)
    world.fact(A, BootFact.FILE, "bootcode.bin", 52_480)
    world.fact(A, BootFact.MISSING, "start.elf")
    reason, _ = late_after(world, 120)
    assert reason == "took bootcode.bin, then asked for start.elf, which is not in its TFTP folder"


def test_files_that_end() -> None:
    world = booting()
    world.stage(A, Stage.TFTP)
    world.fact(A, BootFact.MISSING, "fixup.dat")
    world.fact(A, BootFact.FILE, "kernel8.img", 9_700_000)
    assert late_after(world, 120)[0] == "took kernel8.img (1 file, 9.7 MB), then nothing"


def test_kernel_and_root() -> None:
    world = booting()
    world.stage(A, Stage.KERNEL)
    assert late_after(world, 60)[0] == "kernel started, never mounted its root"
    world = booting()
    world.stage(A, Stage.ROOT)
    assert late_after(world, 180)[0] == "root mounted, SSH does not answer"


def test_up_and_lost_are_never_late() -> None:
    world = booting()
    world.stage(A, Stage.UP)
    world.run(2000)
    world.stage(A, Stage.LOST)
    world.run(2000)
    assert "stage.late" not in world.kinds()


def test_a_local_node_has_the_time_of_all_stages() -> None:
    reason, hint = late_after(booting(config_of(boot=Boot.LOCAL)), 450)
    assert "own disk" in reason
    assert "boot" in hint


def test_lateness_ends_with_the_next_stage() -> None:
    world = booting()
    late_after(world, 60)
    world.stage(A, Stage.DHCP, "DHCPDISCOVER")
    assert (slot(world).late, slot(world).late_hint) == ("", "")
    assert "worker-0-0 reached dhcp (DHCPDISCOVER, late)" in world.messages()


def test_what_is_shown_of_a_late_node_stays_true() -> None:
    world = booting()
    world.stage(A, Stage.DHCP)
    world.fact(A, BootFact.DISCOVER)
    late_after(world, 30)
    world.fact(A, BootFact.DISCOVER)
    assert slot(world).late == "asked DHCP twice, took no file"
    assert world.kinds().count("stage.late") == 1


def test_a_new_deadline_is_in_force_at_once() -> None:
    world = booting()
    world.configure(config_of(replace(NET, deadlines=Deadlines(powered_s=500))))
    world.run(100)
    assert slot(world).late == ""
    world.configure(config_of())
    world.run(1)
    assert slot(world).late


def test_while_it_holds_a_place_the_patience_of_the_gate_is_a_deadline_too() -> None:
    slow = Deadlines(powered_s=600, kernel_s=600)
    config = config_of(replace(NET, deadlines=slow))
    world = booting(replace(config, power=replace(config.power, boot_gate_s=20.0)))
    world.run(10)
    assert slot(world).late == ""
    world.run(20)
    assert "no DHCP request" in slot(world).late
    world.stage(A, Stage.KERNEL)
    world.run(500)
    assert slot(world).late == ""


def test_a_late_node_lets_the_next_go() -> None:
    config = make_config((0, 1), max_booting=1, boot_gate_s=1000.0, netboot=NET)
    world = booting(config)
    world.ask(Verb.ON, [SlotId(1, 0)])
    world.run(55)
    assert world.observed(SlotId(1, 0)) is Power.OFF
    world.run(10)
    assert world.observed(SlotId(1, 0)) is Power.ON


def test_a_node_that_answers_with_a_key_that_is_not_pinned_is_late_for_that() -> None:
    world = booting(config_of(boot=Boot.LOCAL))
    world.stage(A, Stage.POWERED, "untrusted: grapecli node trust worker-0-0")
    reason, hint = late_after(world, 450)
    assert reason == "answers by SSH, and its host key is not pinned"
    assert hint == "grapecli node trust worker-0-0"
