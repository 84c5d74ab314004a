"""How a system is seen to go down: tables, and what holds whatever is seen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graped.model import MeterKind, Reading
from graped.operate.power.descent import SILENT_ROUNDS, Descent, fall_ma, words

SEEN = st.lists(st.tuples(st.sampled_from([True, False, None]), st.booleans()), max_size=40)


def follow(seen: list[tuple[bool | None, bool]]) -> tuple[Descent, list[bool]]:
    """Play rounds, one a second, as the edge does; return the end, and in which rounds the port was tried."""
    fall, tried = Descent(asked_at=0.0), []
    for second, (answers, connected) in enumerate(seen, 1):
        fall = fall.heard(answers, float(second))
        tried.append(fall.to_be_tried)
        if fall.to_be_tried:
            fall = fall.tried(connected, second + 0.5)
    return fall, tried


def test_a_system_that_falls_silent_is_down_since_its_first_silence() -> None:
    fall, tried = follow([(True, True)] * 4 + [(False, False)] * 3)
    assert fall.down_at == 5.0
    assert tried == [False] * 6 + [True]
    assert (
        words(fall, pinged=True, fell_ma=412)
        == "is down after 5.0 s: no ping, no SSH, the stack's current fell by 0.41 A"
    )
    assert words(fall, pinged=False, fell_ma=None) == "is down after 5.0 s: no SSH"


def test_one_lost_ping_is_no_death() -> None:
    fall, tried = follow([(False, False), (False, False), (True, False)] * 5)
    assert fall.down_at is None
    assert not any(tried)


def test_a_kernel_that_refuses_a_connection_is_alive() -> None:
    fall, _ = follow([(False, True)] * 20)
    assert fall.down_at is None


@given(SEEN)
def test_down_needs_silence_and_no_connection_after_it_and_stays(seen: list[tuple[bool | None, bool]]) -> None:
    fall, tried = follow(seen)
    good = [
        end
        for end in range(SILENT_ROUNDS, len(seen) + 1)
        if tried[end - 1] and not seen[end - 1][1] and not any(one for one, _ in seen[end - SILENT_ROUNDS : end])
    ]
    assert (fall.down_at is not None) == bool(good)
    if fall.down_at is not None:
        assert fall.down_at == good[0] - SILENT_ROUNDS + 1
        assert not any(tried[good[0] :]), "it is not tried any more"


@given(SEEN.filter(lambda seen: all(answers or connected for answers, connected in seen)))
def test_what_never_goes_down_is_never_down(seen: list[tuple[bool | None, bool]]) -> None:
    assert follow(seen)[0].down_at is None


def test_a_current_tells_only_where_it_was_read_since_and_fell() -> None:
    def at(moment: float, value: int) -> Reading:
        return Reading(kind=MeterKind.CURRENT, value=value, at=moment)

    assert fall_ma(at(0, 1500), at(9, 1100), 8.0) == 400
    assert fall_ma(at(0, 1500), at(7, 1100), 8.0) is None, "read before"
    assert fall_ma(at(0, 1500), at(9, 1480), 8.0) is None, "noise"
    assert fall_ma(at(0, 1500), at(9, 1900), 8.0) is None
    assert fall_ma(None, at(9, 1), 8.0) is None
    assert fall_ma(at(0, 1), None, 8.0) is None
