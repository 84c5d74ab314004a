import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapecli import spark, times
from grapecli.units import human


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("250ms", 0.25),
        ("1 h", 3600),
    ],
)
def test_durations_are_read_as_people_type_them(text: str, seconds: float) -> None:
    assert times.parse_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "h", "1x", "-5", "1h30", "nan", "inf", "1..2s", "soon"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the one error it has
        times.parse_span(text)


def test_ages_and_spans_read_well() -> None:
    assert times.age_s("2026-01-01T12:00:00.500Z", "2026-01-01T12:00:02.000Z") == pytest.approx(1.5)
    assert times.age_s(None, "2026-01-01T12:00:02.000Z") is None
    assert [times.span(s) for s in (0.44, 12, 185, 7800, 200_000)] == [
        "0.4 s",
        "12 s",
        "3 min 05 s",
        "2 h 10 min",
        "2 d 07 h",
    ]


def test_a_far_time_has_its_date_and_a_near_one_has_not() -> None:
    now = "2026-01-02T12:00:00.000Z"
    assert len(times.clock("2026-01-02T11:00:00.000Z", now)) == len("11:00:00")
    assert "2025" in times.clock("2025-06-01T11:00:00.000Z", now)
    assert times.clock(None) == "-"


@given(st.lists(st.integers(-1000, 10**6), min_size=1, max_size=60))
def test_a_sparkline_keeps_the_order_of_its_values(values: list[int]) -> None:
    line = spark.draw(values)
    assert len(line) == len(values)
    for a, b, x, y in zip(line, line[1:], values, values[1:], strict=False):
        assert (a <= b) if x <= y else (a >= b)


def test_meter_values_are_shown_in_whole_units() -> None:
    assert [human(12040, "mV"), human(-250, "mA"), human(41500, "mCelsius")] == ["12.04 V", "-0.25 A", "41.5 °C"]
