"""Each row of recovery's table, by plain calls: see graped.core.recovery."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graped.config.types import RecoveryMode, RecoveryPolicy
from graped.core.chore import ChoreKind
from graped.core.events import ChoreBegun, ChoreNodeEnded, DaemonFault, EvidenceSeen, RecoveryReleased, SshSeen
from graped.core.jobs import Result, Step
from graped.core.recovery_evidence import verdict
from graped.core.recovery_types import Recovery, RecoveryStep, Verdict
from graped.model import Power, SlotId, Stage, Verb
from tests.core.recovery_world import POLICY, Farm, Kind, Nature, Outage
from tests.core.world import RELAY, World, make_config, slots

A, B = SlotId(0, 0), SlotId(0, 1)
SIX = slots(0)
TWELVE = (*slots(0), *slots(1))


def farm(nodes: tuple[SlotId, ...] = SIX, policy: RecoveryPolicy = POLICY, **natures: Nature) -> Farm:
    """Nodes that are well but for those in slots ``s0``, ``s1``, ...: of stack 0."""
    bad = {SlotId(0, int(key[1:])): nature for key, nature in natures.items()}
    return Farm({slot: bad.get(slot, Nature()) for slot in nodes}, policy=policy)


def kinds(world: World, slot: SlotId | None = None) -> list[str]:
    return [
        one.kind.removeprefix("recovery.")
        for one in world.logs
        if one.kind.startswith("recovery.") and slot in (None, one.slot)
    ]


def cycles(world: Farm) -> int:
    return sum(job.by == "recovery" for job in world.state.jobs.values())


@pytest.mark.parametrize(
    ("ssh", "command", "ping", "link", "expected"),
    [
        (None, None, True, True, Verdict.UNKNOWN),
        (SshSeen.NONE, None, None, None, Verdict.UNKNOWN),
        (SshSeen.NONE, None, False, None, Verdict.SILENT),
        (SshSeen.NONE, None, False, True, Verdict.SILENT),
        (SshSeen.NONE, None, False, False, Verdict.UNLINKED),
        (SshSeen.NONE, None, True, True, Verdict.HUNG),
        (SshSeen.REFUSED, None, True, True, Verdict.HUNG),
        (SshSeen.SILENT, None, False, None, Verdict.HUNG),
        (SshSeen.BANNER, None, True, True, Verdict.UNPINNED),
        (SshSeen.WRONG_KEY, None, True, True, Verdict.STRANGER),
        (SshSeen.TRUSTED, True, True, True, Verdict.ALIVE),
        (SshSeen.TRUSTED, None, True, True, Verdict.ALIVE),
        (SshSeen.TRUSTED, False, True, True, Verdict.SICK),
    ],
)
def test_the_ladder(
    ssh: SshSeen | None, command: bool | None, ping: bool | None, link: bool | None, expected: Verdict
) -> None:
    assert verdict(EvidenceSeen(slot=A, at=0.0, ssh=ssh, command=command, ping=ping, link=link)) is expected


def test_nobody_is_looked_at_while_all_are_well() -> None:
    world = farm()
    world.run(600)
    assert (world.looks, kinds(world), world.state.recovery) == ([], [], {})


def test_a_hung_node_is_given_time_looked_at_and_cycled_once() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.run(300)
    assert kinds(world) == ["wait", "cycle", "recovered"]
    assert (len(world.cuts[A]), world.state.slots[A].stage) == (1, Stage.UP)
    line = next(one for one in world.logs if one.kind == "recovery.cycle")
    assert line.slot == A
    assert line.fields["step"] == "cycle"
    assert "ping False" in str(line.fields["evidence"])
    assert "lost" in str(line.fields["why"])
    (job,) = [job for job in world.state.jobs.values() if job.by == "recovery"]
    assert (job.verb, job.force, list(job.tasks)) == (Verb.CYCLE, False, [A])


def test_a_node_that_lives_is_left_alone() -> None:
    world = farm()
    world.run(20)
    world.stage(A, Stage.LOST, "SSH: timed out")  # the prober is wrong; a look says so
    world.nodes[A].missed = -1000
    world._answers = lambda slot: True  # type: ignore[method-assign]
    world.run(2.9)
    world.run(60)
    assert "cycle" not in kinds(world)


def test_a_stranger_is_never_cycled() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    honest = world.look
    world.look = lambda slot: replace(honest(slot), ssh=SshSeen.WRONG_KEY) if slot == A else honest(slot)  # type: ignore[method-assign]
    world.run(3000)
    assert cycles(world) == 0
    assert kinds(world, A) == ["leave"]
    assert "not the pinned one" in world.state.recovery[A].why


def test_nothing_acts_on_what_cannot_be_told() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.look = lambda slot: EvidenceSeen(slot=slot, at=world.now)  # type: ignore[method-assign]
    world.run(3000)
    assert (cycles(world), kinds(world, A)) == (0, ["wait"])
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.look = lambda slot: EvidenceSeen(slot=slot, at=-1.0, ssh=SshSeen.NONE, ping=False)  # type: ignore[method-assign]
    world.run(3000)  # answers of long ago are none
    assert cycles(world) == 0


def test_a_sick_node_is_asked_to_start_again_before_it_is_cycled() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10, sick=True))
    world.run(400)
    assert (kinds(world), world.soft, cycles(world)) == (["wait", "soft_reboot", "recovered"], [A], 0)
    world = farm(s0=Nature(hangs=1, after_s=10, sick=True, obeys=False))
    world.run(400)
    assert (kinds(world), world.soft, cycles(world)) == (["wait", "soft_reboot", "cycle", "recovered"], [A], 1)


def test_pauses_grow_and_end_in_quarantine_with_the_reason_and_nothing_more() -> None:
    world = farm(s0=Nature(hangs=50, after_s=10, at=Stage.KERNEL))
    world.run(1500)
    gaps = [later - earlier for earlier, later in zip(world.cuts[A], world.cuts[A][1:], strict=False)]
    assert len(world.cuts[A]) == 3
    assert gaps[0] >= 60
    assert gaps[1] >= 120
    assert "3 cycles brought nothing" in world.quarantines[A]
    assert world.state.config.cluster.stacks[0].devices[0].quarantine == world.quarantines[A]
    told = len(world.logs)
    world.run(8000)
    assert (len(world.cuts[A]), kinds(world).count("quarantine")) == (3, 1)
    assert not [one for one in world.logs[told:] if one.slot == A and one.kind.startswith("recovery")]


def test_a_node_that_was_released_begins_anew_but_its_cycles_of_the_hour_count() -> None:
    world = farm(s0=Nature(hangs=50, after_s=10, at=Stage.KERNEL))
    world.run(1500)
    world._set_quarantine(A, "")
    world.send(RecoveryReleased(slots=frozenset({A})))
    world.run(300)
    assert len(world.cuts[A]) == 3
    assert world.state.recovery[A].step is RecoveryStep.PAUSE
    assert "in the last hour" in world.state.recovery[A].why
    world.run(3600)
    assert world.cuts[A][3] - world.cuts[A][0] >= 3600


def test_a_pi_3b_that_gave_up_netbooting_is_cycled_early() -> None:
    seconds = {}
    for rom in (True, False):
        world = farm(s0=Nature(hangs=2, after_s=10, at=Stage.TFTP, rom=rom))
        world.run(600)
        seconds[rom] = world.cuts[A][1] - world.cuts[A][0]
        assert world.state.slots[A].stage is Stage.UP
    assert seconds[True] <= POLICY.pause_s + 10  # nothing but the pause after the first cycle
    world = farm(policy=replace(POLICY, pause_s=0.0), s0=Nature(hangs=2, after_s=10, at=Stage.TFTP, rom=True))
    world.run(600)
    early = world.cuts[A][1] - world.cuts[A][0]
    assert 14 <= early <= 24  # off, its first DISCOVER, 12 s of silence, a look
    assert "gave up netbooting" in next(
        one.message for one in world.logs if one.kind == "recovery.cycle" and "gave" in one.message
    )


@pytest.mark.parametrize("mode", [RecoveryMode.OFF, RecoveryMode.ADVISE])
def test_only_act_acts(mode: RecoveryMode) -> None:
    world = farm(policy=replace(POLICY, mode=mode), s0=Nature(hangs=1, after_s=10))
    world.run(4000)
    assert (cycles(world), world.soft, world.quarantines, world.sent) == (0, [], {}, [])
    assert kinds(world) == ([] if mode is RecoveryMode.OFF else ["wait", "cycle"])
    if mode is RecoveryMode.ADVISE:
        line = next(one for one in world.logs if one.kind == "recovery.cycle")
        assert "mode advise" in line.message
        assert line.fields["mode"] == "advise"
    else:
        assert world.looks == []


def test_a_node_that_nobody_wants_on_is_never_touched() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.run(40)
    world.ask(Verb.OFF, [A])
    world.run(3000)
    assert (cycles(world), world.state.slots[A].observed, world.state.recovery) == (0, Power.OFF, {})


def test_a_slot_that_people_work_on_is_left_alone() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.send(ChoreBegun(chore=77, kind=ChoreKind.NODE_KEYS, subject="x", by="me", slots=(A, B)))
    world.run(600)
    assert (cycles(world), kinds(world)) == (0, [])
    world.send(ChoreNodeEnded(chore=77, slot=A, result=Result.DONE))
    world.run(200)
    assert cycles(world) == 1


def test_a_cancelled_cycle_is_a_no() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.guard([A])
    while not cycles(world):
        world.run(1)
    (job,) = [number for number, job in world.state.jobs.items() if job.by == "recovery"]
    world.cancel(job)
    world.run(6000)
    assert (cycles(world), kinds(world, A)[-1]) == (1, "leave")
    assert "cancelled by me" in world.state.recovery[A].why


def test_guards_hold_a_hung_node_for_ten_seconds() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.guard([A])
    while not cycles(world):
        world.run(1)
    world.run(0.5)
    (job,) = [number for number, job in world.state.jobs.items() if job.by == "recovery"]
    assert world.task(job, A).step is Step.GUARDS
    world.run(8)
    assert not world.cuts
    world.run(3)
    assert len(world.cuts[A]) == 1
    assert any("did not let go within 10 s" in one.message for one in world.logs if one.kind == "guard.overdue")


def test_a_shared_relay_is_never_switched_for_one() -> None:
    config = replace(make_config((0,)), recovery=replace(POLICY, patience_s=1.0))
    world = World(config, ports={0: 0b11}, layouts={0: RELAY}, boot_evidence=True)
    world.run(3)
    for slot in slots(0, 0, 1, 2, 3):
        world.stage(slot, Stage.UP, initial=True)
    world.stage(A, Stage.LOST)
    world.run(600)
    assert world.state.recovery[A].step is RecoveryStep.LEAVE
    assert not world.state.jobs


def outage(world: Farm, kind: Kind, *, begins: float = 10, lasts: float = 2000, stack: int | None = None,
           told: float | None = None) -> None:  # fmt: skip
    world.plan(Outage(kind, begins, lasts, stack, told))


@pytest.mark.parametrize("told", [None, 5.0])
@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.NFS])
def test_an_outage_of_ours_holds_and_says_so_once(kind: Kind, told: float | None) -> None:
    world = farm(TWELVE)
    outage(world, kind, told=told)
    world.run(1900)
    assert kinds(world).count("held") in (1, 2)  # a stack may be seen first
    assert "all" in world.state.recovery_holds
    line = next(one for one in world.logs if one.kind == "recovery.held")
    assert line.fields["evidence"]
    world.run(400)
    assert kinds(world).count("released") == kinds(world).count("held")
    assert (cycles(world), world.state.recovery_holds, world.state.recovery) == (0, {}, {})


def test_an_outage_of_one_stack_does_not_keep_others_from_being_recovered() -> None:
    natures = {slot: Nature() for slot in TWELVE} | {SlotId(1, 3): Nature(hangs=1, after_s=200)}
    world = Farm(natures)
    outage(world, Kind.NETWORK, stack=0)
    world.run(600)
    assert list(world.state.recovery_holds) == ["stack 0"]
    assert list(world.cuts) == [SlotId(1, 3)]
    assert world.state.slots[SlotId(1, 3)].stage is Stage.UP


def test_a_fault_of_our_own_holds_a_single_node_too() -> None:
    world = farm(s0=Nature(hangs=1, after_s=100))
    for code in ("nfs", "tftp"):
        world.send(DaemonFault(code=code, message="is down"))
    world.run(1000)
    assert (cycles(world), kinds(world)) == (0, ["held"])
    world.send(DaemonFault(code="nfs", message=""))
    world.run(200)
    assert (cycles(world), kinds(world)) == (0, ["held"])
    world.send(DaemonFault(code="tftp", message=""))
    world.run(30)
    assert kinds(world) == ["held"]  # it may begin again at once
    world.run(300)
    assert (kinds(world), cycles(world)) == (["held", "released", "wait", "cycle", "recovered"], 1)


def test_held_power_holds_recovery() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    world.hold("another DHCP server")
    world.run(1000)
    assert (cycles(world), kinds(world)) == (0, ["held"])


def test_the_last_node_that_was_up_is_no_proof_for_anybody() -> None:
    world = farm((A, B), s0=Nature(hangs=50, after_s=10), s1=Nature(hangs=1, after_s=1500))
    world.run(1000)
    assert world.cuts[A]  # B proved the way
    world = farm(
        (A, B), policy=replace(POLICY, mass_window_s=10), s0=Nature(hangs=1, after_s=10), s1=Nature(hangs=1, after_s=60)
    )
    world.run(2000)
    assert (cycles(world), kinds(world).count("held")) == (0, 1)
    assert "none of 2 nodes is up" in world.state.recovery_holds["all"].reason


def test_the_only_node_has_nobody_to_compare_with() -> None:
    world = farm((A,), s0=Nature(hangs=1, after_s=10))
    world.run(400)
    assert (cycles(world), world.state.slots[A].stage) == (1, Stage.UP)


def test_a_cycle_that_failed_in_the_middle_is_finished() -> None:
    config_s = 60.0  # power.give_up_s
    world = farm(s0=Nature(hangs=1, after_s=10))
    while not world.cuts:
        world.run(0.5)
    world.ports[0].silent = True
    world.run(config_s * 2)
    assert world.state.slots[A].observed is Power.UNKNOWN or world.state.slots[A].fault is not None
    world.ports[0].silent = False
    world.run(300)
    assert (world.state.slots[A].observed, world.state.slots[A].stage) == (Power.ON, Stage.UP)
    assert "brought_back" in kinds(world)


def test_a_node_without_a_sign_since_graped_came_is_in_trouble_after_a_whole_boot() -> None:
    world = farm()
    world.run(5)
    world.stage(A, None, "no evidence since graped came")
    world.nodes[A].hung = True
    world.run(90)
    assert not world.state.recovery
    world.run(200)
    assert cycles(world) == 1


def test_cycles_before_a_restart_count() -> None:
    world = farm(s0=Nature(hangs=1, after_s=10))
    made = (world.now - 1000, world.now - 900, world.now - 800)
    world.state = replace(world.state, recovery={A: Recovery(cycles=made)})
    world.run(1500)
    assert (cycles(world), world.state.recovery[A].step) == (0, RecoveryStep.PAUSE)
    world.run(1500)
    assert cycles(world) == 1
    assert world.cuts[A][0] >= made[0] + 3600
