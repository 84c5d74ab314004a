"""What an enrolment writes: found boards, accepted moves, nothing that was not seen."""

from __future__ import annotations

from graped.config.types import Cluster, Config, Device, Model, Stack
from graped.core.enrolment import Enrolment, Facts, Limits, Place, Step, Verdict
from graped.core.jobs import Result
from graped.model import SlotId
from graped.operate.enrol.results import changes_of, moves_of, reason_of, summary

A, B, C = SlotId(0, 0), SlotId(0, 1), SlotId(0, 2)
ONE, TWO, NEW = "02:00:00:00:00:01", "02:00:00:00:00:02", "b8:27:eb:00:00:09"
CONFIG = Config(cluster=Cluster(stacks={0: Stack(devices={0: Device(mac=ONE), 1: Device(mac=TWO, serial="00000002")})}))


def ended(facts: dict[str, Facts] | None = None, **places: Place) -> Enrolment:
    slots = {"a": A, "b": B, "c": C}
    return Enrolment(
        limits=Limits(), order=tuple(slots[key] for key in places), places={slots[k]: p for k, p in places.items()},
        homes={ONE: A, TWO: B}, elsewhere=frozenset(), facts=facts or {},
    )  # fmt: skip


def place(verdict: Verdict, **more: object) -> Place:
    return Place(was_on=False, step=Step.ENDED, verdict=verdict, **more)  # type: ignore[arg-type]


def test_a_board_in_place_of_another_takes_nothing_over_from_it() -> None:
    found = ended({NEW: Facts(model=Model.PI4)}, b=place(Verdict.FOUND, mac=NEW, known=TWO))
    assert changes_of(found, CONFIG, moves=False) == {B: {"mac": NEW, "model": "4", "serial": None}}
    first = ended({NEW: Facts(serial="00000009")}, c=place(Verdict.FOUND, mac=NEW))
    assert changes_of(first, CONFIG, moves=False) == {C: {"mac": NEW, "serial": "00000009"}}


def test_a_move_is_written_once_accepted_and_empties_the_slot_it_left() -> None:
    moved = ended(a=place(Verdict.EMPTY, known=ONE), c=place(Verdict.MOVED, mac=ONE, home=A))
    assert (moves_of(moved), changes_of(moved, CONFIG, moves=False)) == ((C,), {})
    assert changes_of(moved, CONFIG, moves=True) == {C: {"mac": ONE}, A: {"mac": ""}}


def test_two_that_changed_places_keep_a_slot_each() -> None:
    swapped = ended(
        a=place(Verdict.MOVED, mac=TWO, known=ONE, home=B), b=place(Verdict.MOVED, mac=ONE, known=TWO, home=A)
    )
    changes = changes_of(swapped, CONFIG, moves=True)
    assert {slot: keys["mac"] for slot, keys in changes.items()} == {A: TWO, B: ONE}


def test_a_slot_is_emptied_only_where_the_meter_says_so() -> None:
    for draws, right in ((None, {}), (True, {}), (False, {A: {"mac": ""}})):
        empty = ended(a=place(Verdict.EMPTY, known=ONE, draws=draws))
        assert changes_of(empty, CONFIG, moves=True) == right
    for verdict in (Verdict.SILENT, Verdict.STRANGE, Verdict.SKIPPED, Verdict.FAILED):
        assert changes_of(ended(a=place(verdict, known=ONE, draws=False)), CONFIG, moves=True) == {}


def test_a_board_that_stays_adds_only_what_nobody_had_said() -> None:
    kept = ended(
        {ONE: Facts(serial="00000001"), TWO: Facts(serial="0000beef")},
        a=place(Verdict.KEPT, mac=ONE, known=ONE), b=place(Verdict.KEPT, mac=TWO, known=TWO),
    )  # fmt: skip
    assert changes_of(kept, CONFIG, moves=False) == {A: {"serial": "00000001"}}


def test_only_what_somebody_has_to_look_at_fails() -> None:
    assert reason_of(place(Verdict.FOUND, mac=NEW)) == (Result.DONE, f"found {NEW}")
    assert reason_of(place(Verdict.STRANGE, note="two")) == (Result.FAILED, "strange: two")
    assert reason_of(place(Verdict.SILENT, note="x"))[0] is Result.DONE
    assert summary(ended(a=place(Verdict.FOUND), b=place(Verdict.FOUND), c=place(Verdict.EMPTY))) == "2 found, 1 empty"
