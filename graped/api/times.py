"""Times on the wire: RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from graped.errors import RequestError

MAX_AGO_S = 1e9
_NUMBER = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,30})?(?:e[+-]?[0-9])?\Z|[0-9](?:\.[0-9]{1,30})?e-[0-9]{1,3}\Z")


def rfc3339(unix_s: float) -> str:
    """Write unix seconds, e.g. ``2026-03-01T12:00:00.250Z``."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def moment(text: str, now: float) -> float:
    """Read an RFC 3339 time, or seconds ago; return unix seconds.

    Raises: RequestError.
    """
    if _NUMBER.match(text) and float(text) <= MAX_AGO_S:
        return now - float(text)
    try:
        # A "+" that the caller did not quote arrives as a space. Python knows no 61st second.
        read = datetime.fromisoformat(text.strip().replace(" ", "+").upper().replace(":60", ":59"))
    except ValueError:
        raise RequestError(
            f"not a time: {text[:40]!r}", hint="write 2026-03-01T12:00:00Z, or how many seconds ago, e.g. 3600"
        ) from None
    if read.tzinfo is None:
        raise RequestError(f"a time needs its zone: {text[:40]!r}", hint="end it with Z for UTC")
    return (read - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def clock_time(unix_s: float) -> str:
    """Tell the time of day in the master's own zone, for sentences."""
    return datetime.fromtimestamp(unix_s).astimezone().strftime("%H:%M:%S")
