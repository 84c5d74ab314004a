"""Times for people: RFC 3339 in, clock times and ages out; durations as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse(text: str) -> datetime:
    """Read an RFC 3339 time."""
    return datetime.fromisoformat(text)


def now() -> str:
    """Tell the time of this machine as the API writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def age_s(then: str | None, now: str) -> float | None:
    """Tell the seconds between two RFC 3339 times; None where there is no first one."""
    return None if then is None else max(0.0, (parse(now) - parse(then)).total_seconds())


def clock(text: str | None, now: str | None = None) -> str:
    """Show a time in the local zone: the time of day, with the date unless it is less than 12 hours from ``now``."""
    if text is None:
        return "-"
    local = parse(text).astimezone()
    near = now is not None and abs(parse(now) - local) < timedelta(hours=12)
    return local.strftime("%H:%M:%S" if near else "%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """Show a duration in the two largest units that matter: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"


def parse_span(text: str) -> float:
    """Read ``90``, ``90s``, ``5m``, ``1h30m`` or ``2d`` as seconds. Raises ValueError."""
    text = text.strip().lower().replace(" ", "")
    try:
        seconds = float(text)
    except ValueError:
        seconds = sum(_terms(text))
    if not 0 <= seconds < 1e9:  # also refuses nan and inf
        raise ValueError(text)
    return seconds


def _terms(text: str) -> list[float]:
    """Split ``1h30m`` into seconds of each term."""
    terms: list[float] = []
    number, at = "", 0
    while at < len(text):
        if text[at].isdigit() or text[at] == ".":
            number, at = number + text[at], at + 1
            continue
        unit = text[at : at + 2] if text[at : at + 2] in _UNIT_S else text[at]
        if not number or unit not in _UNIT_S:
            raise ValueError(text)
        terms.append(float(number) * _UNIT_S[unit])
        number, at = "", at + len(unit)
    if number or not terms:
        raise ValueError(text)
    return terms
