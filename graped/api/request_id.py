"""One id a request, in its answer, in the log and in the jobs it makes."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("request_id", default="")
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}\Z")


def current_request_id() -> str:
    """The id of the request that is being answered, "" outside of one."""
    return _current.get()


def take(offered: bytes | None) -> str:
    """Take the caller's id where it is sane, else make one; it is current from now on in this task."""
    chosen = offered.decode() if offered and _SANE.match(offered) else secrets.token_hex(8)
    _current.set(chosen)
    return chosen


class RequestIdFilter(logging.Filter):
    """Put the request id on every log record, as ``record.request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drop anything."""
        record.request_id = _current.get()
        return True
