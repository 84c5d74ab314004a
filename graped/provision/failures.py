"""What is told of work that failed: an expected failure as it is, a bug as ``internal`` with its traceback logged."""

from __future__ import annotations

import errno
import logging

from graped.core.chore import Failure
from graped.errors import GrapeError, NoSpace

log = logging.getLogger("graped.chores")

_FULL = (errno.ENOSPC, errno.EDQUOT)


def failure_of(error: Exception, job: int) -> Failure:
    """Say why the work of a job failed."""
    if isinstance(error, GrapeError):
        return Failure(code=error.code, message=error.detail, hint=error.hint)
    if isinstance(error, OSError) and error.errno in _FULL:
        return Failure(code=NoSpace.code, message=str(error), hint="df -h shows which disk is full.")
    log.error("job %d failed on a bug", job, exc_info=error)
    message = f"graped failed inside ({type(error).__name__})"
    return Failure(code=GrapeError.code, message=message, hint="The log of graped tells more: journalctl -u graped")
