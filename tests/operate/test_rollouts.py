"""Rollouts driven over a real core: nodes that boot what their root says, records on disk, a life that ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from graped.core.chore import Chore
from graped.core.jobs import Outcome, Result
from graped.core.rollout_types import Orders, Rollout, Status, Step, WhenOff
from graped.errors import Conflict, NotFound
from graped.model import Power, SlotId, Verb
from graped.operate.rollout.records import Records
from graped.operate.rollout.rollouts import Rollouts
from graped.operate.rollout.steps import mark_of
from graped.provision.chores import Chores
from tests.operate.stable import DEAD, NEW, OLD, Stable, living
from tests.operate.yard import ME, NOWHERE, A, B, C, Yard, play

ALL = (A, B, C, NOWHERE)
Story = Callable[[Yard, Stable, Rollouts], Awaitable[None]]


def stage(folder: Path, story: Story, *, off: tuple[SlotId, ...] = ()) -> None:
    async def whole(yard: Yard) -> None:
        stable = Stable(yard, *ALL)
        with living(stable):
            on = tuple(slot for slot in ALL if slot not in off)
            await yard.engine.ask_power(Verb.ON, on, by=ME)
            await yard.until(lambda: all(yard.engine.state.slots[slot].stage == "up" for slot in on))
            await story(yard, stable, Rollouts(yard.house, stable.steps()))

    play(folder, whole)


def orders(image: str = NEW, **more: object) -> Orders:
    return Orders(image=image, canary=1, wave=2, **more)  # type: ignore[arg-type]


async def ended(yard: Yard, chore: Chore) -> Chore:
    await yard.until(lambda: yard.engine.state.chores[chore.id].ended is not None, 20)
    return yard.engine.state.chores[chore.id]


def kept(folder: Path) -> Rollout:
    (one,) = Records(folder / "state" / "rollouts").all()
    return one


async def kinds(yard: Yard, family: str = "rollout") -> list[str]:
    return [event.kind for event in await yard.rack.journal.after(0, 1000, family) if event.kind.startswith(family)]


def steps(rollout: Rollout) -> dict[SlotId, Step]:
    return {node.slot: node.step for node in rollout.nodes}


def test_a_good_image_moves_all_wave_after_wave(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        chore = await ended(yard, await rollouts.begin(ALL, orders(health="true"), by=ME))
        assert (chore.outcome, chore.result) == (Outcome.DONE, "4 passed")
        assert {node.result for node in chore.nodes.values()} == {Result.DONE}
        assert [(horse.image, horse.boots) for horse in stable.horses.values()] == [(NEW, 2)] * 4
        assert (kept(tmp_path).status, kept(tmp_path).waves) == (Status.DONE, 3)
        assert await kinds(yard) == [
            "rollout.begun", "rollout.wave", "rollout.passed", "rollout.wave", "rollout.passed", "rollout.passed",
            "rollout.wave", "rollout.passed", "rollout.done",
        ]  # fmt: skip
        assert {slot for slot, command in stable.commands if command == "true"} == set(ALL)
        powers = [job.tasks.keys() for job in yard.engine.state.jobs.values()][1:]
        assert [set(slots) for slots in powers] == [{A}, {B, C}, {NOWHERE}]
        shown = await rollouts.one(chore.id)
        assert (shown.status, shown.image, {node.root for node in shown.nodes}) == ("done", NEW, {"new"})

    stage(tmp_path, story)


def test_an_image_that_does_not_boot_stops_at_the_canary_which_is_back_on_its_very_root(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        chore = await ended(yard, await rollouts.begin(ALL, orders(DEAD), by=ME))
        assert chore.outcome is Outcome.FAILED
        assert chore.failure is not None
        assert chore.failure.code == "rollout_stopped"
        assert "worker-0-0: late in powered" in chore.failure.message
        assert "worker-0-0 back on the former root; not begun: worker-0-[1-3]" in chore.failure.message
        assert [node.result for node in chore.nodes.values()] == [Result.FAILED, *[Result.CANCELLED] * 3]
        back = stable.horses[A]
        assert (back.runs, back.image, stable.roots[A].generation) == ("1", OLD, "1")
        assert yard.engine.state.slots[A].stage == "up"
        assert [stable.horses[slot].boots for slot in ALL] == [3, 1, 1, 1]
        assert (await kinds(yard))[-3:] == ["rollout.failed", "rollout.back", "rollout.stopped"]
        assert steps(kept(tmp_path)) == dict(zip(ALL, [Step.BACK, *[Step.WAITING] * 3], strict=True))

    stage(tmp_path, story)


def test_a_wave_goes_back_together_where_one_fails_its_health_command(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        stable.sick_at = {C}
        chore = await ended(yard, await rollouts.begin(ALL, orders(health="check", health_s=0.5), by=ME))
        assert chore.outcome is Outcome.FAILED
        assert [stable.horses[slot].image for slot in ALL] == [NEW, OLD, OLD, OLD]
        assert [stable.roots[slot].generation for slot in ALL] == ["2", "1", "1", "1"]
        found = kept(tmp_path)
        assert steps(found) == dict(zip(ALL, [Step.PASSED, Step.BACK, Step.BACK, Step.WAITING], strict=True))
        assert found.reason.startswith("worker-0-2: the health command does not pass: check: exit code 3")
        assert all(yard.engine.state.slots[slot].stage == "up" for slot in ALL)

    stage(tmp_path, story)


def test_nobody_is_cut_where_a_root_cannot_be_made_but_those_that_have_one_already(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        stable.full = {B}
        await ended(yard, await rollouts.begin((B,), orders(), by=ME))
        assert steps(kept(tmp_path)) == {B: Step.FAILED}
        assert stable.horses[B].boots == 1
        assert kept(tmp_path).reason == "worker-0-1: the disk is full"

    stage(tmp_path, story)


def test_a_node_that_did_not_start_again_has_not_passed(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        stable.battery = {A}
        chore = await ended(yard, await rollouts.begin((A, B), Orders(), by=ME))
        assert chore.outcome is Outcome.FAILED
        assert "its boot id is the same" in chore.nodes[A].reason
        assert chore.nodes[B].result is Result.CANCELLED
        assert (await kinds(yard, "reboot"))[-1] == "reboot.stopped"

    stage(tmp_path, story)


def test_nodes_that_are_off_are_left_out_or_moved_without_power(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        stable.cards = {C}
        plan = await rollouts.plan(ALL, orders("trixie"))
        why = [("worker-0-1", "it is off"), ("worker-0-2", "it boots from its own disk")]
        assert [(one.name, one.why) for one in plan.skipped] == why
        stable.cards = set()
        plan = await rollouts.plan(ALL, orders("trixie"))
        assert (plan.image, plan.cut, plan.moved) == (NEW, ("worker-0-0", "worker-0-2", "worker-0-3"), ())
        assert [wave.folded for wave in plan.waves] == ["worker-0-0", "worker-0-[2-3]"]
        plan = await rollouts.plan(ALL, orders("trixie", when_off=WhenOff.MOVE))
        assert (plan.moved, plan.skipped) == (("worker-0-1",), ())
        await ended(yard, await rollouts.begin((A, B), orders(when_off=WhenOff.MOVE), by=ME))
        assert steps(kept(tmp_path)) == {A: Step.PASSED, B: Step.MOVED}
        assert stable.roots[B].image == NEW
        assert yard.engine.state.slots[B].observed is Power.OFF
        with pytest.raises(Conflict, match=f"it has {NEW} already"):
            await rollouts.begin((A,), orders(), by=ME)
        with pytest.raises(Conflict, match="it is off"):
            await rollouts.begin((B,), Orders(), by=ME)
        with pytest.raises(NotFound):
            await rollouts.plan(ALL, orders("nothing"))

    stage(tmp_path, story, off=(B,))


def test_a_node_that_was_switched_off_before_its_turn_is_not_switched_on(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        chore = await rollouts.begin((A, B), Orders(), by=ME)
        await yard.engine.ask_power(Verb.OFF, (B,), by="a person")
        chore = await ended(yard, chore)
        assert steps(kept(tmp_path)) == {A: Step.PASSED, B: Step.SKIPPED}
        assert (chore.outcome, chore.result) == (Outcome.DONE, "1 passed, 1 skipped")
        assert yard.engine.state.slots[B].observed is Power.OFF

    stage(tmp_path, story)


def test_a_life_of_graped_that_ends_leaves_it_interrupted_and_the_next_goes_on(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        chore = await rollouts.begin(ALL, orders(health="true"), by=ME)
        with pytest.raises(Conflict, match=r"worker-0-3 is in rollout \d+ already"):
            await rollouts.begin((NOWHERE,), Orders(), by=ME)
        with pytest.raises(Conflict, match="already"):
            await rollouts.resume(chore.id, by=ME)
        await yard.until(lambda: stable.horses[B].boots == 2)
        await yard.chores.close(5.0)
        assert (await ended(yard, chore)).outcome is Outcome.INTERRUPTED
        assert kept(tmp_path).status is Status.RUNNING  # as a kill would have left it
        object.__setattr__(yard.house, "chores", Chores(yard.engine))
        next_life = Rollouts(yard.house, stable.steps())
        await next_life.run()
        assert kept(tmp_path).status is Status.INTERRUPTED
        assert (await next_life.one(chore.id)).status == "interrupted"
        again = await ended(yard, await next_life.resume(chore.id, by=ME))
        assert (again.outcome, again.result) == (Outcome.DONE, "4 passed")
        assert stable.horses[A].boots == 2, "it had passed"
        assert [horse.image for horse in stable.horses.values()] == [NEW] * 4
        assert kept(tmp_path).jobs == (chore.id, again.id)
        assert (await next_life.one(again.id)).id == chore.id
        with pytest.raises(Conflict, match="nothing is left"):
            await next_life.resume(chore.id, by=ME)
        with pytest.raises(NotFound):
            await next_life.resume(4711, by=ME)
        said = await kinds(yard)
        assert said.index("rollout.interrupted") < said.index("rollout.resumed") < said.index("rollout.done")

    stage(tmp_path, story)


def test_a_cancel_lets_the_wave_end_and_can_be_gone_on_from(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        chore = await rollouts.begin(ALL, orders(), by=ME)
        await yard.until(lambda: stable.horses[B].boots == 2)
        await yard.engine.cancel(chore.id, by=ME)
        assert (await ended(yard, chore)).outcome is Outcome.CANCELLED
        found = kept(tmp_path)
        assert (found.status, found.reason) == (Status.CANCELLED, "not begun: worker-0-3")
        assert steps(found) == dict(zip(ALL, [*[Step.PASSED] * 3, Step.WAITING], strict=True))
        again = await ended(yard, await rollouts.resume(chore.id, by=ME))
        assert again.outcome is Outcome.DONE
        assert [horse.boots for horse in stable.horses.values()] == [2] * 4

    stage(tmp_path, story)


def test_one_that_a_later_one_overtook_does_not_go_on(tmp_path: Path) -> None:
    async def story(yard: Yard, stable: Stable, rollouts: Rollouts) -> None:
        first = await rollouts.begin(ALL, orders(), by=ME)
        await yard.until(lambda: stable.rounds > 0)
        await yard.engine.cancel(first.id, by=ME)
        await ended(yard, first)
        await ended(yard, await rollouts.begin((NOWHERE,), Orders(), by=ME))
        with pytest.raises(Conflict, match="came later"):
            await rollouts.resume(first.id, by=ME)

    stage(tmp_path, story)


def test_a_record_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    records = Records(tmp_path / "rollouts")
    assert records.all() == ()
    records.save(Rollout(id=7, orders=Orders(), nodes=()))
    (tmp_path / "rollouts" / "8.json").write_text("{")
    assert [one.id for one in records.all()] == [7]
    with pytest.raises(NotFound):
        records.get(8)


def test_a_boot_is_told_by_its_id_and_the_start_of_init() -> None:
    boot = "2ab0b2c4-6b1f-4b57-8a52-50f2a3d2c111"
    stat = "1 (a) b c) S 0 1 1 0 -1 4194560 47 0 0 0 0 1 0 0 20 0 1 0 4711 100 5"
    assert mark_of(f"{boot}\n{stat}\n") == f"{boot}:4711"
    assert mark_of("") == mark_of("sh: cat: not found") == ""
