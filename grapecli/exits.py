"""Exit codes: part of the interface, listed in README.md and in ``grapecli --help``."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
ACCESS_DENIED = 4
TIMED_OUT = 5
CONFLICT = 6
INTERRUPTED = 130

TABLE = (
    (OK, "done"),
    (FAILED, "failed, or done with errors: some slots failed"),
    (USAGE, "usage, a bad node set or configuration, a confirmation refused or impossible"),
    (UNREACHABLE, "graped cannot be reached"),
    (ACCESS_DENIED, "this user may not talk to graped"),
    (TIMED_OUT, "--timeout ran out, or graped did not answer in time"),
    (CONFLICT, "not possible now: e.g. a shared relay, over the watt budget, an image in use"),
    (INTERRUPTED, "Ctrl-C; an accepted job goes on"),
)

_OF_ERROR = {
    "bad_request": USAGE,
    "no_target": USAGE,
    "bad_nodeset": USAGE,
    "unknown_node": USAGE,
    "not_found": USAGE,
    "too_large": USAGE,
    "bad_config": USAGE,
    "refused": USAGE,
    "usage": USAGE,
    "unreachable": UNREACHABLE,
    "access_denied": ACCESS_DENIED,
    "timed_out": TIMED_OUT,
    "conflict": CONFLICT,
    "shared_relay": CONFLICT,
    "over_budget": CONFLICT,
    "not_simulated": CONFLICT,
    "in_use": CONFLICT,
    "damaged": FAILED,
    "node_on": CONFLICT,
    "netboot_off": CONFLICT,
    "no_space": CONFLICT,
    "stopping": CONFLICT,
    "bad_image": FAILED,
    "server": FAILED,
    "not_readable": USAGE,
    "interrupted": INTERRUPTED,
}


def of_error(code: str, http_status: int = 0) -> int:
    """Tell the exit code of an error by its stable code; a code of a newer daemon by its HTTP status."""
    if code in _OF_ERROR:
        return _OF_ERROR[code]
    if http_status == 409:
        return CONFLICT
    return USAGE if 400 <= http_status < 500 else FAILED


def of_outcome(outcome: str) -> int:
    """Tell the exit code of a job that ended."""
    return OK if outcome == "done" else FAILED
