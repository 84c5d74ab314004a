"""Logging for a daemon: one line a record, journald priorities, no colour."""

from __future__ import annotations

import logging
import os
import sys

# journald reads "<N>" in front of a line as its priority. Source: sd-daemon(3).
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Lines(logging.Formatter):
    """One record, one line; under journald with its priority and without a time of its own."""

    def __init__(self, *, journald: bool) -> None:
        super().__init__("%(name)s: %(message)s" if journald else "%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        request = getattr(record, "request_id", "")
        if request:
            text += f" [request {request}]"
        if not self._journald:
            return text
        mark = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in text.splitlines())


def set_up(level: str = "info", *filters: logging.Filter) -> None:
    """Send all log lines to stderr, in journald's form when systemd reads them. ``filters`` may add ``request_id``."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_Lines(journald="JOURNAL_STREAM" in os.environ))
    for one in filters:
        stream.addFilter(one)
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its start and stop are ours to tell
